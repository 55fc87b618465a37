"""The model bases of heads made from features or anchors, on the quickstart's data."""

from __future__ import annotations

import pytest

from cite.mm.fitting import refuse_moving_features
from cite.mm.launch import load_config
from cite.mm.resolve import resolve
from cite.paths import configs_dir
from cite.registry import check_options

TEXTS = ['well differentiated', 'moderately differentiated', 'poorly differentiated']
BASES = {
    'knn': 'KNNHead',
    'prototype': 'PrototypeHead',
    'tip_adapter': 'TipAdapterHead',
    'tip_adapter_f': 'TipAdapterHead',
    'clip_adapter': 'CLIPAdapterHead',
    'text_linear': 'TextLinearHead',
}


@pytest.mark.parametrize('base', BASES)
def test_resolves_on_the_quickstart(base, tmp_path):
    from cite.heads import HEADS

    parts = ('runtime', 'datasets/quickstart', f'models/{base}', 'schedules/adamw_300')
    file = tmp_path / f'{base}.py'
    file.write_text(f'_base_ = {[str(configs_dir() / "_base_" / f"{part}.py") for part in parts]}')
    options = {'model.backbone.model': 'tiny-tissue'}
    has_texts = base not in ('knn', 'prototype')
    if has_texts:
        options['model.head.texts'] = TEXTS
    done = resolve(load_config(file, options=options), 'cpu')
    head = done.model.head.to_dict()
    refuse_moving_features(done)
    assert head.pop('type') == BASES[base]
    assert bool(head.get('trains')) is (base == 'tip_adapter_f')
    check_options(base, HEADS.get(BASES[base]), head)
    assert (head.get('texts') == TEXTS) is has_texts
    if has_texts:
        assert head['text_encoder']['model'] == 'tiny-tissue'
    assert done.train_cfg.max_iters == 300 and done.optim_wrapper.type == 'CiteOptimWrapper'
    assert (configs_dir() / '_base_' / 'models' / f'{base}.py').read_text().startswith('# ')
