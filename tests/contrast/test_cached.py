from __future__ import annotations

import pytest
import torch
from contrast_ranks import CASES, GROUPS, IN, OUT, ROWS, TwoSided, inputs, plain, same_gradients
from torch import nn

from cite.contrast import cached_backward, clip_loss
from cite.errors import ConfigError, TrainingError
from cite.frozen import freeze


def run(model, chunk, kind='clip', groups=None):
    images, texts = inputs()
    return cached_backward(
        lambda x: model('image', x),
        lambda x: model('text', x),
        images,
        texts,
        model.loss(kind, groups),
        chunk,
    )


@pytest.mark.parametrize(('kind', 'groups'), CASES)
@pytest.mark.parametrize('chunk', [1, 3, 4, ROWS, ROWS + 5])
def test_as_without_cache(kind, groups, chunk):
    cached, model = TwoSided(), TwoSided()
    value = run(cached, chunk, kind, groups)
    torch.testing.assert_close(value, plain(model, kind, groups, slice(0, ROWS)))
    assert not value.requires_grad
    same_gradients(cached.gradients(), model.gradients())


def test_gradients_are_added():
    once, twice = TwoSided(), TwoSided()
    run(once, 3)
    run(twice, 3)
    run(twice, 3)
    same_gradients(twice.gradients(), {name: 2 * g for name, g in once.gradients().items()})


@pytest.mark.parametrize('side', ['image', 'text'])
def test_a_frozen_side_has_no_second_pass(side):
    cached, model = TwoSided(), TwoSided()
    seen = []
    for frozen in (cached, model):
        freeze(getattr(frozen, side))
    getattr(cached, side).register_forward_hook(lambda _m, given, _o: seen.append(len(given[0])))
    run(cached, 4)
    plain(model, 'clip', None, slice(0, ROWS))
    assert seen == [4, 4, 2]
    same_gradients(cached.gradients(), model.gradients())
    assert not [name for name in cached.gradients() if name.startswith(side)]


def test_only_the_loss_trains():
    model = TwoSided()
    freeze(model.image)
    freeze(model.text)
    run(model, 3)
    assert list(model.gradients()) == ['log_scale']
    with pytest.raises(TrainingError, match='nothing is trainable'):
        freeze(model)
        run(model, 3)


def test_no_more_than_a_chunk_has_a_graph():
    graphs = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(IN, OUT)

        def forward(self, rows):
            graphs.append((len(rows), torch.is_grad_enabled()))
            return nn.functional.normalize(self.layer(rows), dim=1)

    images, texts = inputs()
    cached_backward(Watched(), torch.clone, images, texts[:, :OUT], product, 4)
    first, second = graphs[:3], graphs[3:]
    assert first == [(4, True), (4, False), (2, False)]
    assert second == [(4, True), (4, True), (2, True)]


def product(images, texts):
    return clip_loss(images, texts, 3.0)


def test_dropout_draws_the_same_numbers_again():
    """The gradient is that of the features the loss saw, by the masks that they were made with."""
    torch.manual_seed(5)
    layer, masks, drawn = nn.Linear(IN, OUT), [], []

    def dropped(rows):
        masks.append(torch.nn.functional.dropout(torch.ones(len(rows), OUT), 0.5))
        return layer(rows) * masks[-1]

    def jittered(rows):  # nothing trains here: no second pass
        drawn.append(torch.rand(len(rows), OUT))
        return rows[:, :OUT] + drawn[-1]

    images, texts = inputs()
    value = cached_backward(dropped, jittered, images, texts, product, 3)
    assert len(masks) == 2 * len(drawn) == 8
    assert all(torch.equal(a, b) for a, b in zip(masks[:4], masks[4:], strict=True))
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(torch.rand(3, OUT), drawn[0])  # the program goes on with new numbers

    cached, layer.weight.grad = layer.weight.grad, None
    expected = product(layer(images) * torch.cat(masks[:4]), texts[:, :OUT] + torch.cat(drawn))
    expected.backward()
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(cached, layer.weight.grad, rtol=1e-5, atol=1e-7)


def test_under_autocast():
    cached, model = TwoSided(), TwoSided()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        run(cached, 3)
        images, texts = inputs()
        loss = model.loss('clip')(model('image', images), model('text', texts))
    loss.backward()
    found, expected = cached.gradients(), model.gradients()
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(
            found[name], gradient, rtol=0.05, atol=0.01 * gradient.abs().max()
        )


def test_rows_may_be_texts_or_what_a_tokenizer_returns():
    images, texts = inputs()
    words = [str(i) for i in range(ROWS)]
    tokens = {'values': texts, 'rows': list(range(ROWS))}
    kept, model = TwoSided(), TwoSided()

    def from_words(given):
        return kept('text', texts[[int(word) for word in given]])

    def from_tokens(given):
        assert given['rows'] == [int(i) for i in given['rows']]
        assert len(given['rows']) == len(given['values'])
        return kept('text', given['values'])

    plain(model, 'clip', GROUPS, slice(0, ROWS))
    for encode, rows in ((from_words, words), (from_tokens, tokens)):
        kept.zero_grad()
        loss = kept.loss('clip', GROUPS)
        cached_backward(lambda x: kept('image', x), encode, images, rows, loss, 4)
        same_gradients(kept.gradients(), model.gradients())


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'chunk': 0}, 'at least 1, found 0'),
        ({'chunk': 2.0}, 'found 2.0'),
        ({'images': torch.ones(0, 2)}, r'images: .* found \[0\]'),
        ({'texts': {'a': [1, 2], 'b': [1]}}, r'texts: .* found \[1, 2\]'),
        ({'encode_texts': lambda _: torch.ones(1, 2)}, r'\(2, dim\) .* found \(1, 2\)'),
        ({'encode_images': lambda _: (1,)}, 'encoder of the images .* found tuple'),
    ],
)
def test_what_does_not_fit_is_refused(change, named):
    arguments = {
        'encode_images': torch.clone,
        'encode_texts': torch.clone,
        'images': torch.ones(2, 2),
        'texts': torch.ones(2, 2),
        'loss': product,
        'chunk': 2,
    }
    with pytest.raises(ConfigError, match=named):
        cached_backward(**arguments | change)


def test_several_processes_need_to_know_what_trains(two_processes):
    assert all('needs `models`' in rank['no models'] for rank in two_processes)
