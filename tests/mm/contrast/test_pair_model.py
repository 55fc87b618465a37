from __future__ import annotations

import copy

import pytest
import torch
from pair_steps import FULL, LORA, PROMPT, batch, optimiser, pair_model, same, samples, step
from torch.nn import functional

from cite.errors import ConfigError, TrainingError
from cite.frozen import trainable
from cite.mm.contrast.model import CitePair

KINDS = ['clip', 'siglip']
# keys' biases cancel in the softmax, and timm's are part of one bias
WITHOUT_EFFECT = ('key.bias', 'k_proj.bias')


def by_hand(kind, images, texts, scale, bias):
    """open_clip's losses for rows that share texts, written out: rows 0, 2 and 5, and 1 and 4."""
    same_text = torch.eye(7, dtype=torch.bool)
    for rows in ((0, 2, 5), (1, 4)):
        for i in rows:
            same_text[i, list(rows)] = True
    logits = scale * images @ texts.T
    if kind == 'siglip':
        signs = same_text.float() * 2 - 1
        return -functional.logsigmoid(signs * (logits + bias)).sum() / 7
    target = same_text / same_text.sum(1, keepdim=True)
    rows = -(target * logits.log_softmax(1)).sum(1).mean()
    columns = -(target * logits.T.log_softmax(1)).sum(1).mean()
    return (rows + columns) / 2


@pytest.mark.parametrize('kind', KINDS)
def test_a_step_goes_by_the_loss_of_its_paper_and_every_gradient(kind):
    model = pair_model(loss=kind).eval()  # without dropout
    data = batch()
    captions = [sample.caption for sample in data['data_samples']]
    pair, weights = model.pair, trainable(model)
    features = (
        pair.image_features(data['inputs']),
        pair.text_features(pair.text.tokenize(captions)),
    )
    expected = by_hand(kind, *features, pair.scale, pair.bias)
    gradients = torch.autograd.grad(expected, list(weights.values()))
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    loss, found = step(model, data)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-6)
    same(found, dict(zip(weights, gradients, strict=True)), slack=1e-5)
    same(
        {name: weight.detach() for name, weight in weights.items()},
        {name: start[name] - 0.1 * found[name] for name in start},
    )
    assert ('pair.bias' in weights) == (kind == 'siglip')


def test_first_values_are_those_of_the_papers():
    clip, siglip = pair_model(text='NoTuning').pair, pair_model(loss='siglip').pair
    assert clip.scale.item() == pytest.approx(1 / 0.07)
    assert clip.bias is None
    assert (siglip.scale.item(), siglip.bias.item()) == (pytest.approx(10), -10)
    assert pair_model(scale=100).pair.scale.item() == pytest.approx(100)


def test_the_scale_never_goes_beyond_100():
    model = pair_model(scale=99.9)
    model.pair.log_scale.register_hook(lambda gradient: torch.full_like(gradient, -1.0))
    _, found = step(model)
    assert found['pair.log_scale'] == -1
    assert model.pair.scale.item() == pytest.approx(100)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('chunk', [3, 7])
def test_chunks_change_nothing(kind, chunk):
    """Three steps; the last chunk of three is short. 7 is the batch itself."""
    models = pair_model(loss=kind).eval(), pair_model(loss=kind, chunk=chunk).eval()
    for seed in range(3):
        (loss, plain), (other, cached) = (step(m, batch(seed=seed), lr=0.01) for m in models)
        torch.testing.assert_close(other, loss, rtol=1e-5, atol=1e-5)
        same(cached, plain, slack=1e-5)
    same(models[1].state_dict(), models[0].state_dict(), slack=1e-6)


def test_dropout_is_the_same_in_both_passes_of_a_chunk():
    model, cached = pair_model(), pair_model(chunk=3)
    data = batch()
    cuts = [slice(0, 3), slice(3, 6), slice(6, 7)]
    tokens = model._tokens(data['data_samples'])
    torch.manual_seed(5)
    images = torch.cat([model._images(data['inputs'][cut]) for cut in cuts])
    texts = torch.cat([model._texts({k: v[cut] for k, v in tokens.items()}) for cut in cuts])
    expected = model._loss(images, texts, data['data_samples'])
    expected.backward()
    torch.manual_seed(5)
    loss, found = step(cached, data)
    torch.testing.assert_close(loss, expected.detach())
    same(found, {name: p.grad for name, p in trainable(model).items()}, slack=1e-5)
    torch.manual_seed(6)
    assert not torch.allclose(step(pair_model(chunk=3), data)[0], loss, rtol=1e-3)  # it does act


@pytest.mark.parametrize('chunk', [None, 3])
def test_steps_may_be_accumulated(chunk):
    """Two halves of a step; the model takes the mean of their gradients."""
    model, whole = pair_model(chunk=chunk).eval(), pair_model().eval()
    wrapper = optimiser(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    gradients = [step(copy.deepcopy(whole), batch(seed=seed))[1] for seed in (1, 2)]
    before = copy.deepcopy(model.state_dict())
    model.train_step(batch(seed=1), wrapper)
    same(model.state_dict(), before, slack=0)
    model.train_step(batch(seed=2), wrapper)
    moved = {n: before[n] - 0.05 * (gradients[0][n] + gradients[1][n]) for n in gradients[0]}
    same({n: p.detach() for n, p in trainable(model).items()}, moved, slack=1e-5)


TUNED = [
    ('NoTuning', FULL),
    (FULL, 'NoTuning'),
    (PROMPT, 'NoTuning'),
    (PROMPT, {'type': 'TextPrompt'}),
    (LORA, 'NoTuning'),
    ('NoTuning', LORA),
    (LORA, LORA),
]


@pytest.mark.parametrize('chunk', [None, 3])
@pytest.mark.parametrize(('vision', 'text'), TUNED)
def test_what_is_locked_stays_and_what_is_tuned_moves(vision, text, chunk):
    model = pair_model(vision, text, chunk=chunk)
    towers = {'pair.vision.': model.pair.vision, 'pair.text.': model.pair.text}
    digests = {name: tower.digest for name, tower in towers.items()}
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    tuned = {
        prefix for prefix, spec in zip(towers, (vision, text), strict=True) if spec != 'NoTuning'
    }
    for seed in range(2):  # LoRA's A gets its first gradient once B is no longer zero
        _, gradients = step(model, batch(seed=seed))
    weights = trainable(model)
    assert {p for p in towers if any(name.startswith(p) for name in weights)} == tuned
    for name, weight in model.named_parameters():
        if name not in weights:
            assert torch.equal(weight, before[name]), name
        elif not name.endswith(WITHOUT_EFFECT):
            assert gradients[name].any(), name
            assert not torch.equal(weight, before[name]), name
    for (prefix, tower), spec in zip(towers.items(), (vision, text), strict=True):
        assert tower.digest == digests[prefix]
        assert (tower.frozen_digest() == tower.digest) == (spec != FULL)


def test_bfloat16_runs_and_stays_near():
    losses = {}
    for precision in ('fp32', 'bf16'):
        model = pair_model(LORA, LORA, precision=precision, chunk=3)
        losses[precision], gradients = step(model)
        assert losses[precision].dtype == torch.float32
        assert {g.dtype for g in gradients.values()} == {torch.float32}
        assert model._images(batch()['inputs']).dtype == torch.float32
    assert losses['bf16'] != losses['fp32']
    torch.testing.assert_close(losses['bf16'], losses['fp32'], rtol=0.1, atol=0)


@pytest.mark.parametrize('chunk', [None, 3])
def test_a_loss_that_is_no_number_moves_nothing(chunk):
    model = pair_model(chunk=chunk)
    model.pair.image_projection.weight.data[0, 0] = float('nan')
    before = copy.deepcopy(model.state_dict())
    wrapper = optimiser(model)
    with pytest.raises(
        TrainingError, match=r'the loss is nan at iteration .*red glands, pale cords'
    ):
        model.train_step(batch(), wrapper)
    after = model.state_dict()
    assert all(
        torch.equal(after[n], before[n]) or n.endswith('image_projection.weight') for n in before
    )
    assert all(weight.grad is None for weight in model.parameters())


def test_the_three_modes_agree():
    model = pair_model().eval()
    images, given = batch()['inputs'], samples()
    predicted = model(images, given, mode='predict')
    features = model(images)
    assert torch.equal(torch.stack([sample.image for sample in predicted]), features)
    assert features.norm(dim=1).allclose(torch.ones(7))
    texts = torch.stack([sample.text for sample in predicted])
    loss = model(images, given, mode='loss')['loss']
    torch.testing.assert_close(loss, by_hand('clip', features, texts, model.pair.scale, None))


def test_captions_that_are_too_long_are_refused_or_cut():
    model = pair_model(text='NoTuning')
    long = samples(['x ' * 300])
    with pytest.raises(ConfigError, match='text of 302 tokens is longer than the 256'):
        model._tokens(long)
    model.truncate = True
    assert model._tokens(long)['input_ids'].shape == (1, 256)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'loss': 'triplet'}, "loss must be one of clip, siglip, found 'triplet'"),
        ({'bias': -10.0}, "a bias belongs to loss='siglip'"),
        ({'dim': None}, 'random-vit-tiny gives 192 features and random-bert-tiny 128: .*dim=512'),
        ({'scale': 0.0}, 'scale > 0'),
        ({'vision': {'type': 'TextPrompt'}}, 'TextPrompt tunes text towers'),
        ({'text': {'type': 'VisualPrompt'}}, 'VisualPrompt tunes vision towers'),
        ({'chunk': 0}, 'chunk must be a whole number of at least 1, found 0'),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        pair_model(**options)


def test_batch_normalisation_trains_in_whole_batches_only():
    """tiny-tissue's stem has it; locked, its statistics stay, and chunks are allowed."""
    vision = {'model': 'tiny-tissue', 'pretrained': False}
    text = {'model': 'random-bert-tiny', 'pooling': 'mean', 'tuning': 'NoTuning'}
    with pytest.raises(ConfigError, match='vision tower has batch normalisation'):
        CitePair({**vision, 'tuning': 'FullFineTuning'}, text, dim=8, chunk=2)
    CitePair({**vision, 'tuning': 'NoTuning'}, text, dim=8, chunk=2)
    CitePair({**vision, 'tuning': 'FullFineTuning'}, text, dim=8)
