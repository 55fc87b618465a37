"""What holds for every vision model of the zoo, whatever its kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reduced import shallow, small_trunk, undrawn
from stained_tissue import picture
from torch import Tensor
from torch.nn.functional import cross_entropy

from cite.anchors import embed_texts
from cite.classifier import assemble
from cite.encoders.card import resize_options
from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.images.resize import ResizePatch
from cite.tuning import TUNINGS

TEXTS = ('well differentiated tubular', 'moderately differentiated', 'poorly differentiated')

# Blocks and channels of a token, of architectures by name
ARCHITECTURES = {
    'vit_small': (12, 384),
    'vit_base': (12, 768),
    'vit_large': (24, 1024),
    'vit_huge': (32, 1280),
    'vit_giant': (40, 1536),
    'beit3_large': (24, 1024),
    'resnet50': (16, 64),
    'swin_tiny': (12, 96),
    'resnetv2_50x1': (16, 64),
    'resnetv2_152x2': (50, 128),
}
# Rows that are of another size than their architecture's name says, or of no architecture of timm
OTHERS = {
    'uni2-h': (24, 1536),
    'random-vit-tiny': (2, 192),
    'tiny-tissue': (4, 192),
    'hipt-4k': (6, 192),
    'internimage-t': (30, 64),
    'internimage-s': (33, 80),
    'internimage-b': (33, 112),
    'internimage-l': (37, 160),
}


def _marks(name: str) -> list[pytest.MarkDecorator]:
    """BiT-152x2 is large at any depth that timm builds."""
    return [pytest.mark.slow] if '152x2' in name else []


@pytest.fixture(scope='module', params=[pytest.param(n, marks=_marks(n)) for n in sorted(CARDS)])
def row(request):
    """A row of little depth with its trunk for small images, random weights."""
    card = shallow(CARDS[request.param])
    return card, small_trunk(card)


@pytest.fixture(scope='module')
def anchors(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CITE_CACHE', str(tmp_path_factory.mktemp('anchors')))
        return embed_texts(TEXTS, 'random-bert-tiny')


def by_hand(tower: VisionTower, image: object) -> Tensor:
    """The card's preprocessing and the stages, one after the other."""
    card, stages = tower.card, tower.stages
    side = tower.image_size
    resize = ResizePatch(**resize_options(card, side))
    pixels = torch.from_numpy(np.array(resize(image))).view(1, side, side, 3).permute(0, 3, 1, 2)
    pixels = pixels.contiguous()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (card.mean, card.std))
    tokens = stages.embed((pixels / 255 - mean) / std)
    for index in range(len(stages.blocks)):
        tokens = stages.block(index, tokens)
    return stages.pool(tokens)


def test_feature_of_an_image_of_any_size(row):
    card, trunk = row
    tower = VisionTower(card, trunk)
    image = picture(size=137).crop((0, 0, 137, 91))
    found = tower.encode_images(image)
    assert found.shape == (1, tower.feature_dim) == (1, card.feature_dim)
    assert np.isfinite(found).all()
    assert found.std() > 0
    assert tower.mean.flatten().tolist() == pytest.approx(card.mean)
    assert tower.std.flatten().tolist() == pytest.approx(card.std)
    with torch.no_grad():
        expected = by_hand(tower, image).numpy()
    assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def test_cite_trains_on_it_and_leaves_it_as_it_is(row, anchors):
    card, trunk = row
    stages = STAGES.get(card.tower)
    prompts = stages.takes_prompts
    tuning = TUNINGS.build(
        {'type': 'VisualPrompt', 'length': 2} if prompts else {'type': 'NoTuning'}
    )
    tower = VisionTower(card, trunk, tuning)
    head = {'type': 'TextEmbeddingHead', 'texts': TEXTS, 'anchors': anchors}
    model = assemble(tower, {'type': 'ProjectionNeck'}, head, TEXTS).train()
    before = tower.frozen_digest()
    generator = torch.Generator().manual_seed(0)
    side = tower.image_size
    images = torch.randint(256, (2, 3, side, side), generator=generator, dtype=torch.uint8)
    logits = model(images)
    assert logits.shape == (2, 3)
    cross_entropy(logits, torch.tensor([0, 2])).backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    name = f'prompts.{tower.width}' if stages.windowed else 'prompt'
    prompt = {f'backbone.tuning.{name}'} if prompts else set()
    assert trained.keys() == {'neck.weight', 'neck.bias', *prompt}
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert all(p.grad is None and not p.requires_grad for p in trunk.parameters())
    assert not any(module.training for module in trunk.modules())
    assert tower.frozen_digest() == tower.digest == before


@pytest.mark.parametrize('name', sorted(CARDS))
def test_full_size(name):
    """Depth, width and feature of the whole architecture, for which no memory is needed."""
    card = undrawn(CARDS[name])
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size).eval()
    stages = STAGES.get(card.tower)(card, trunk)
    with torch.no_grad():
        tokens = stages.embed(torch.empty(1, 3, card.image_size, card.image_size, device='meta'))
        for index in range(len(stages.blocks)):
            tokens = stages.block(index, tokens)
        assert stages.pool(tokens).shape == (1, card.feature_dim)
    sizes = [size for arch, size in ARCHITECTURES.items() if card.arch.startswith(f'{arch}_')]
    expected = OTHERS.get(name) or (sizes[0] if sizes else None)
    if card.arch == 'resnet50':
        expected = ARCHITECTURES['resnet50']
    if expected is not None:
        assert (len(stages.blocks), stages.width) == expected
    assert stages.image_size == card.image_size
