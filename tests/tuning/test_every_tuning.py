"""Every tuning on every kind of tower under both kinds of heads: what trains, stands and is stored."""

from __future__ import annotations

import copy

import pytest
import torch
from reduced import shallow, small_side, small_trunk
from tiny_models import tiny_anchors

from cite.adapter import AdapterInfo, save_adapter
from cite.classifier import Classifier
from cite.encoders.card import preprocessing
from cite.encoders.towers.tower import VisionTower
from cite.encoders.zoo import CARDS
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.heads import HEADS
from cite.necks import NECKS
from cite.serving import rebuild
from cite.tuning import TUNINGS, build_tuning
from cite.tuning.base import Tuning

TOWERS = {
    'CLIP': 'clip-vit-b16',
    'DINOv2 with registers': 'dinov2-vit-s14-reg',
    'CTransPath': 'ctranspath',
    'ResNet': 'resnet50-in1k',
}
HEAD_KINDS = ('linear', 'text')
NAMES = sorted(
    set(TUNINGS.names())
    - {'NoTuning', 'Several', 'TextPrompt'}
    - {'OriginalVisualPrompt'}  # its adapter is another tuning's: tests/mm/test_mm_legacy.py
)
CLASSES = ('well', 'moderate', 'poor')


@pytest.fixture(scope='module')
def trunks():
    """Each kind of tower with hardly any depth and random weights, made once."""
    made = {
        kind: (card := shallow(CARDS[name]), small_trunk(card)) for kind, name in TOWERS.items()
    }
    for module in made['ResNet'][1].modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # timm starts the last of a block at zero
            torch.nn.init.ones_(module.weight)
    return made


def made_tower(trunks, kind: str, tuning) -> VisionTower:
    card, trunk = trunks[kind]
    torch.manual_seed(0)
    return VisionTower(card, copy.deepcopy(trunk), build_tuning(tuning))


def made(trunks, kind: str, name: str, head: str) -> Classifier:
    tower = made_tower(trunks, kind, spec(name, kind))
    if head == 'linear':
        return Classifier(tower, None, HEADS.build('LinearHead'), CLASSES)
    anchors = tiny_anchors()
    built = HEADS.build({'type': 'TextEmbeddingHead', 'texts': anchors.texts, 'anchors': anchors})
    return Classifier(tower, NECKS.build('ProjectionNeck'), built, CLASSES)


def spec(name: str, kind: str) -> dict:
    """The tuning, with the words that a kind of tower needs."""
    options = {'targets': 'conv'} if kind == 'ResNet' and takes_conv(name) else {}
    if name == 'PixelPrompt':
        options['kind'] = 'full'  # the border is wider than these small images
    return {'type': name, **options}


def takes_conv(name: str) -> bool:
    return bool(getattr(TUNINGS.get(name), 'convolutions', False))


REFUSED = {
    'ResNet': {
        *('VisualPrompt', 'HoulsbyAdapter', 'PfeifferAdapter', 'AdaptFormer'),
        *(n for n in NAMES if getattr(TUNINGS.get(n), 'marks', None) and not takes_conv(n)),
    }
}
"""Kind of tower → tunings that have no place in it."""


def step(classifier: Classifier, images, rate: float) -> dict[str, torch.Tensor]:
    weights = trainable(classifier)
    loss = torch.nn.functional.cross_entropy(classifier(images), torch.tensor([0, 1]))
    loss.backward()
    grads = {name: weight.grad for name, weight in weights.items()}
    optimizer = torch.optim.SGD(weights.values(), lr=rate)
    optimizer.step()
    optimizer.zero_grad()
    return grads


@pytest.mark.parametrize('head', HEAD_KINDS)
@pytest.mark.parametrize('kind', TOWERS)
@pytest.mark.parametrize('name', NAMES)
def test_trains_stands_and_is_stored(trunks, tmp_path, monkeypatch, name, kind, head):
    if name in REFUSED.get(kind, ()):
        with pytest.raises(ConfigError) as refusal:
            made(trunks, kind, name, head)
        said = str(refusal.value)
        assert trunks[kind][0].name in said and ('FullFineTuning' in said or 'targets' in said)
        return
    classifier = made(trunks, kind, name, head).train()
    tower = classifier.backbone
    tuning: Tuning = tower.tuning
    inside = trainable(tower)
    assert inside, 'nothing of the tuning trains'
    assert sum(weight.numel() for weight in inside.values()) == tuning.trained_parameters(tower)

    side = small_side(tower.card)
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    reached: set[str] = set()
    for _ in range(3):  # what starts at zero lets gradients pass from the second step on
        grads = step(classifier, images, rate=1e-2)
        assert all(grad is not None for grad in grads.values())
        assert all(torch.isfinite(grad).all() for grad in grads.values())
        reached |= {name for name, grad in grads.items() if grad.any()}
    missed = {n for n in trainable(classifier) if n not in reached}
    assert not missed, f'no gradient reached {sorted(missed)[:5]}'
    assert tower.frozen_stands()

    classifier.eval()
    with torch.no_grad():
        expected = classifier(images)
    card = tower.card
    info = AdapterInfo(
        backbone={'model': card.name, 'tuning': spec(name, kind)},
        neck={'type': 'ProjectionNeck'} if head == 'text' else None,
        head=classifier.head.stored_as(
            {'type': 'LinearHead'} if head == 'linear' else {'type': 'TextEmbeddingHead'}
        ),
        classes=list(CLASSES),
        tower_digest=tower.digest,
        preprocessing=preprocessing(card, side),
        anchors={'model': 'made up'} if head == 'text' else {},
    )
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    monkeypatch.setattr(
        rebuild, 'load_vision', lambda model, tuning: made_tower(trunks, kind, tuning)
    )
    loaded, _ = rebuild.load_adapter(path)
    with torch.no_grad():
        assert torch.equal(loaded(images), expected)
    other = torch.rand_like(images)
    with torch.no_grad():
        assert torch.equal(loaded(other), classifier(other))
