from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.towers.stages import STAGES
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError


@pytest.fixture
def model() -> torch.nn.Module:
    return torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(4)))


def test_loads_exactly(model):
    state = {key: torch.full_like(value, 0.5) for key, value in model.state_dict().items()}
    load_strict(model, state, 'weights')
    assert all(bool((value == 0.5).all()) for value in model.state_dict().values())


def test_every_kind_of_misfit_is_named_and_nothing_is_loaded(model):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {'0.weight': torch.zeros(2, 2), '0.bias': torch.zeros(3), 'extra': torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        load_strict(model, state, 'w.pth')
    message = str(caught.value)
    assert message.startswith('w.pth does not fit')
    assert '6 missing (1.bias, 1.weight, 2.bias, 2.weight, 3.bias and 1 more)' in message
    assert '1 unexpected (extra)' in message
    assert '0.bias is (3,), the model has (2,)' in message
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    'name', ['densenet121', 'ctranspath', 'internimage-t', 'remedis-path-50x1']
)
@pytest.mark.parametrize(
    'names',
    [
        ('visual.class_embedding', 'visual.conv1.weight', 'visual.proj'),
        ('patch_embed.proj.weight', 'register_tokens', 'cls_token', 'pos_embed'),
        ('beit3.encoder.embed_positions.A.weight', 'vision_head.weight'),
    ],
    ids=['clip', 'dinov2', 'musk'],
)
def test_a_transformers_file_is_refused_by_models_of_other_kinds(name, names):
    card = CARDS[name]
    with torch.device('meta'):
        trunk = STAGES.get(card.tower).build(card, card.image_size)
    state = {key: torch.zeros(4, 4, 3, 3) for key in names}
    with pytest.raises(CheckpointError, match='missing'):
        load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), 'w.pth')
