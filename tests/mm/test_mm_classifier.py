from __future__ import annotations

import pytest
import torch

from cite.errors import ConfigError, TrainingError
from cite.mm.classifier import CiteClassifier
from cite.mm.launch import train
from cite.mm.sample import PatchSample

BACKBONE = {'type': 'VisionTower', 'model': 'random-vit-tiny', 'image_size': 32}
CLASSES = ('a', 'b', 'c')


@pytest.fixture
def model():
    torch.manual_seed(0)
    return CiteClassifier(BACKBONE, {'type': 'LinearHead'}, classes=CLASSES, precision='fp32')


def batch(count=4):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    samples = [
        PatchSample.of(n % 3, img_path=f'{n}.jpg', slide='s', patient=None) for n in range(count)
    ]
    return images, samples


def test_modes(model):
    images, samples = batch()
    logits = model(images)
    assert logits.shape == (4, 3) and logits.dtype == torch.float32
    losses = model(images, samples, mode='loss')
    labels = torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(losses['loss'], torch.nn.functional.cross_entropy(logits, labels))
    predicted = model(images, samples, mode='predict')
    scores = torch.stack([sample.pred_score for sample in predicted])
    torch.testing.assert_close(scores, logits.softmax(1))
    assert [int(sample.pred_label) for sample in predicted] == scores.argmax(1).tolist()
    assert [sample.img_path for sample in predicted] == ['0.jpg', '1.jpg', '2.jpg', '3.jpg']


def test_an_evaluated_batch_that_memory_does_not_last_for_is_halved(model, monkeypatch, caplog):
    images, samples = batch(7)
    expected = [sample.pred_score for sample in model(images, samples, mode='predict')]
    real, sizes = model.backbone.forward, []

    def narrow(images):
        sizes.append(len(images))
        if len(images) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(images)

    monkeypatch.setattr(model.backbone, 'forward', narrow)
    for _ in range(2):
        found = [sample.pred_score for sample in model(images, samples, mode='predict')]
        torch.testing.assert_close(torch.stack(found), torch.stack(expected))
    assert sizes == [7, 3, 3, 1, 3, 3, 1]
    assert 'going on with 3' in caplog.text
    with pytest.raises(RuntimeError, match='allocate'):  # training says so itself
        model(images, samples, mode='loss')


def test_bf16_computes_the_tower_and_leaves_the_rest_in_float32(model):
    images, samples = batch()
    exact = model(images)
    model.precision = 'bf16'
    rough = model(images)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, atol=0.05, rtol=0.05)
    model(images, samples, mode='loss')['loss'].backward()
    assert model.head.fc.weight.grad.dtype == torch.float32


def test_every_trained_weight_gets_a_gradient(tiny):
    from cite.frozen import trainable
    from cite.mm.runner import CiteRunner

    model = CiteRunner.from_cfg(tiny({'model.head.learnable_temperature': True})).bare_model
    images, samples = batch()
    model.train()
    model(images, samples, mode='loss')['loss'].backward()
    weights = trainable(model)
    assert list(weights) == [
        'backbone.tuning.prompt',
        'neck.weight',
        'neck.bias',
        'head.temperature',
    ]
    for name, weight in weights.items():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_unknown_parts_and_types_are_told():
    for spoilt in ({'type': 'ResNet'}, {'lenght': 1}):
        with pytest.raises(ConfigError):
            CiteClassifier({**BACKBONE, **spoilt}, {'type': 'LinearHead'}, classes=CLASSES)


def test_a_loss_that_is_not_a_number_stops_before_any_weight_moves(
    tiny, tmp_path, monkeypatch, finished, read_checkpoint, assert_same
):
    from cite.heads.text_embedding import TextEmbeddingHead

    real, seen = TextEmbeddingHead.forward, []

    def forward(self, features):
        seen.append(None)
        return real(self, features) * (float('nan') if len(seen) == 6 else 1)

    monkeypatch.setattr(TextEmbeddingHead, 'forward', forward)
    runners = []
    monkeypatch.setattr('cite.mm.runner.CiteRunner.train', keep_runner(runners))
    with pytest.raises(
        TrainingError, match=r'loss is nan at iteration 5 .*\.jpg.*checkpoint is whole'
    ):
        train(tiny({'default_hooks.checkpoint.interval': 5}))
    # what came before is whole: the checkpoint of iteration 5 is the model as it still is
    checkpoint = read_checkpoint(tmp_path / 'run' / 'iter_5.pth')
    assert_same(dict(checkpoint['state_dict']), dict(runners[0].bare_model.state_dict()))
    assert not (tmp_path / 'run' / 'adapter.safetensors').exists()
    monkeypatch.undo()


def keep_runner(runners):
    from cite.mm.runner import CiteRunner

    real = CiteRunner.train

    def train(self):
        runners.append(self)
        return real(self)

    return train


def test_a_rate_that_is_far_too_high_is_told(tiny):
    cfg = tiny({'model.neck': None, 'model.head': 'LinearHead', 'model.backbone.tuning': None})
    cfg.optim_wrapper.optimizer = {'type': 'SGD', 'lr': 1e38}
    with pytest.raises(TrainingError, match=r'Lower the learning rate'):
        train(cfg)
