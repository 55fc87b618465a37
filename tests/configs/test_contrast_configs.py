"""The configs of pairs, built on the small pair in place of their models: what trains is what they say."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.registry import MODELS

from cite.encoders.pairs import load_pair
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.mm.contrast.sample import PairSample
from cite.mm.launch import load_config, runner_of
from cite.paths import configs_dir

SIDES = {
    'locked_image': {'text', 'projections'},
    'manifest': {'vision', 'text'},
    'patchgastric_locked_image': {'text', 'projections'},
    'patchgastric_lora': {'vision', 'text'},
    'patchgastric_plip': {'vision', 'text'},
    'patchgastric_prompts': {'vision'},
    'patchgastric_text': {'text'},
    'siglip_shards': {'vision', 'projections'},
    'tiny_lora': {'vision', 'text'},
}
"""Config → what trains, besides scale and bias."""
OWN = {'manifest', 'patchgastric_plip'}
"""Those that go on from the scale of the pair."""


def test_every_config_of_a_published_model_is_here():
    there = {path.stem for path in (configs_dir() / 'contrast').glob('*.py')}
    assert there - {'tiny_tissue'} == set(SIDES)  # that one needs a vocabulary that is made first


def small(name):
    """The completed config, both towers replaced by those of tiny-tissue."""
    cfg = load_config(f'contrast/{name}')
    for side in ('vision', 'text'):
        cfg.model[side].model = 'tiny-tissue'
        cfg.model[side].pop('image_size', None)
    cfg.model.precision = 'fp32'
    return runner_of(cfg).complete(cfg, 'cpu').model


@pytest.mark.parametrize('name', SIDES)
def test_what_trains_is_what_the_config_says(name):
    model = MODELS.build(small(name)).train()
    names = {n for n in trainable(model) if n not in ('pair.log_scale', 'pair.bias')}
    sides = {
        'projections' if '_projection' in n else n.removeprefix('pair.').partition('.')[0]
        for n in names
    }
    assert sides == SIDES[name]
    if name in OWN:
        assert model.pair.scale.item() == pytest.approx(load_pair('tiny-tissue').scale.item())

    images = torch.randint(0, 256, (4, 3, 112, 112), dtype=torch.uint8)
    texts = ('Necrosis is present.', 'Round nuclei.', 'Glands are absent.', 'Single cells.')
    samples = [
        PairSample(metainfo={'caption': t, 'group': i, 'drawn': i, 'img_path': ''})
        for i, t in enumerate(texts)
    ]
    loss = model(images, samples, 'loss')['loss']
    loss.backward()
    assert math.isfinite(loss.item())
    # of a LoRA only the second matrix has a gradient at first: the first is multiplied by its zeros
    reached = {
        s for n, w in trainable(model).items() if w.grad is not None and w.grad.any() for s in [n]
    }
    for side in ('vision', 'text'):
        assert any(n.startswith(f'pair.{side}.') for n in reached) == (side in SIDES[name])


def test_a_scale_that_is_no_pairs_is_refused():
    spec = small('manifest')
    spec.text.model = 'random-bert-tiny'
    with pytest.raises(
        ConfigError, match=r"scale='own' .*tiny-tissue with random-bert-tiny is none"
    ):
        MODELS.build(spec)
    with pytest.raises(ConfigError, match="a number above 0 or 'own', found 'pair'"):
        MODELS.build({**small('manifest'), 'scale': 'pair'})


@pytest.mark.parametrize('name', [n for n in SIDES if n.startswith('patchgastric')])
def test_on_patchgastric_grades_are_masked_and_the_val_part_is_held_out(name):
    cfg = load_config(f'contrast/{name}')
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    assert (train.type, train.part, train.mask_grades) == ('PatchGastricPairs', 'train_all', True)
    assert (val.type, val.part, val.mask_grades) == ('PatchGastricPairs', 'val', True)
    assert cfg.train_dataloader.sampler == {'type': 'PairSampler', 'balance': 'text'}
