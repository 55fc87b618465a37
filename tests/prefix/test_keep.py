"""Kept activations are those that the tower computes, computed once."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from cite.data.views import View
from cite.errors import ConfigError, DataError, TrainingError
from cite.prefix import keep as keep_module
from cite.prefix.bank import banks_dir
from cite.prefix.keep import KeepOptions

LATE = {'type': 'VisualPrompt', 'layers': 2, 'init': 'normal'}


def keep(keeper, patches, steps, draws=10**9):
    return keeper.keep(patches, steps, 'patches', draws, 5)


@pytest.fixture
def computed(monkeypatch):
    """How many images went through each tower's prefix, in one list."""
    counts = []
    real = keep_module.Keeper._forward

    def spy(self, images):
        counts.append(len(images))
        return real(self, images)

    monkeypatch.setattr(keep_module.Keeper, '_forward', spy)
    monkeypatch.setattr(keep_module, 'PROBE', 1)
    return counts


@pytest.mark.parametrize('tuning', [None, LATE, {'type': 'LoRA', 'blocks': [1, 2]}], ids=str)
def test_the_tower_goes_on_from_what_is_kept_to_the_same_bits(keeper, patches, steps, tuning):
    made, data = keeper(tuning), patches()
    kept = keep(made, data, steps)
    rows, views = np.array([3, 0, 11, 3]), np.array([2, 0, 1, 1])
    images = torch.stack([data[View(*pair)]['image'] for pair in zip(rows, views, strict=True)])
    with torch.no_grad():
        expected = made.tower(images)
        assert torch.equal(made.tower.from_prefix(kept.batch(rows, views)), expected)


def test_gradients_are_those_of_the_whole_tower(keeper, patches, steps):
    made, data = keeper(LATE), patches()
    kept = keep(made, data, steps)
    rows = np.arange(6)
    images = torch.stack([data[View(row, 1)]['image'] for row in rows])
    grads = []
    for features in (made.tower(images), made.tower.from_prefix(kept.batch(rows, 1))):
        made.tower.tuning.zero_grad()
        features.square().sum().backward()
        grads.append(made.tower.tuning.prompt.grad.clone())
    assert grads[0].abs().max() > 0
    assert torch.equal(*grads)


def test_half_precision_is_near(keeper, patches, steps):
    made, data = keeper(LATE, 'bf16'), patches()
    kept = keep(made, data, steps)
    assert kept.batch(np.arange(2)).dtype == torch.float16
    images = torch.stack([data[View(row, 0)]['image'] for row in range(12)])
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        expected = made.tower(images).float()
        found = made.tower.from_prefix(kept.batch(np.arange(12))).float()
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_nothing_is_computed_twice(keeper, patches, steps, computed):
    keep(keeper(), patches(2), steps)
    assert sum(computed) == 24 + 2  # and a probe, twice
    computed.clear()
    keep(keeper(), patches(2), steps)
    assert computed == []
    keep(keeper(), patches(3), steps)  # one view more
    assert sum(computed) == 12 + 2
    computed.clear()
    keep(keeper(), patches(2, seed=1), steps)  # other augmentations, the same patches
    assert sum(computed) == 12 + 2


def test_a_changed_file_is_computed_anew(keeper, patches, steps, table, computed):
    keep(keeper(), patches(1), steps)
    computed.clear()
    Image.new('RGB', (40, 40), (9, 90, 200)).save(table.path(4))
    data = patches(1)
    kept = keep(keeper(), data, steps)
    assert sum(computed) == 1 + 2
    with torch.no_grad():
        expected = keeper().tower(data[View(4, 0)]['image'][None])
    assert torch.equal(kept.batch(np.array([4])), expected)


def test_a_run_that_was_killed_goes_on_behind_its_last_segment(
    keeper, patches, steps, computed, monkeypatch
):
    monkeypatch.setattr('cite.prefix.fill.SEGMENT_BYTES', 1)  # a segment for each batch
    real = keep_module.Keeper._forward

    def killed(self, images):
        if len(computed) == 4:  # two of the probe
            raise KeyboardInterrupt
        return real(self, images)

    monkeypatch.setattr(keep_module.Keeper, '_forward', killed)
    with pytest.raises(KeyboardInterrupt):
        keep(keeper(), patches(1), steps)
    monkeypatch.setattr(keep_module.Keeper, '_forward', real)
    computed.clear()
    assert keep(keeper(), patches(1), steps).batch(np.arange(12)).shape == (12, 48)
    assert sum(computed) == 2 + 2


def test_rows_from_the_disk_are_those_from_memory(keeper, patches, steps, monkeypatch):
    held = keep(keeper(LATE), patches(), steps)
    monkeypatch.setattr(keep_module, 'fits', lambda size, device: False)
    monkeypatch.setattr('cite.prefix.fill.SEGMENT_BYTES', 1)
    for path in banks_dir().rglob('*.npy'):
        path.unlink()
    read = keep(keeper(LATE), patches(), steps)  # in many segments
    rows, views = np.array([11, 0, 5]), np.array([0, 2, 1])
    assert held._all is not None
    assert read._all is None
    assert torch.equal(held.batch(rows, views), read.batch(rows, views))


def test_auto_keeps_where_it_pays(keeper, patches, steps, caplog):
    caplog.set_level(logging.INFO)
    assert keep(keeper(mode='auto'), patches(3), steps, draws=1) is None
    assert 'keeping would take' in caplog.text
    assert keep(keeper(mode='auto'), patches(3), steps, draws=10**6) is not None


@pytest.mark.parametrize(
    ('tuning', 'views', 'why'),
    [
        (None, None, 'augmented afresh'),
        ({'type': 'PixelPrompt', 'width': 4}, 2, 'first block'),
        ({'type': 'SideTuning'}, 2, 'looks at the images'),
    ],
)
def test_what_cannot_be_kept_is_told(keeper, patches, steps, tuning, views, why, caplog):
    caplog.set_level(logging.INFO)
    assert keep(keeper(tuning, mode='auto'), patches(views), steps) is None
    assert why in caplog.text
    with pytest.raises(ConfigError, match=why):
        keep(keeper(tuning, mode='on'), patches(views), steps)
    assert keep(keeper(tuning, mode='off'), patches(views), steps) is None


def test_a_limit_that_does_not_hold_it(keeper, patches, steps, caplog):
    caplog.set_level(logging.INFO)
    assert keep(keeper(mode='auto', limit_gb=1e-6), patches(), steps) is None
    assert 'there is room for' in caplog.text
    with pytest.raises(ConfigError, match='take fewer views'):
        keep(keeper(limit_gb=1e-6), patches(), steps)


def test_a_full_disk_costs_a_line(keeper, patches, steps, caplog, monkeypatch):
    caplog.set_level(logging.INFO)

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('cite.prefix.bank._save', full)
    assert keep(keeper(mode='auto'), patches(), steps) is None
    assert 'No space left' in caplog.text


def test_a_value_beyond_float16_goes_into_bfloat16(keeper, patches, steps):
    def large(**options):
        made = keeper({'type': 'LastBlocks'}, 'bf16', **options)
        with torch.no_grad():
            made.tower.trunk.pos_embed += 1e6
        return made

    assert keep(large(), patches(1), steps).batch(np.arange(2)).dtype == torch.bfloat16
    with pytest.raises(ConfigError, match=r'cache\.dtype=bfloat16'):
        keep(large(dtype='float16'), patches(1), steps)


def test_no_number_and_no_image_are_named(keeper, patches, steps, table):
    made = keeper()
    with torch.no_grad():
        made.tower.trunk.pos_embed.fill_(float('nan'))
    with pytest.raises(TrainingError, match=r'a0_0\.png is not finite'):
        keep(made, patches(1), steps)
    table.path(7).write_bytes(b'no image')
    with pytest.raises(DataError, match=r'b1_0\.png'):
        keep(keeper(), patches(1), steps)


def test_decoding_in_other_processes_gives_the_same(keeper, patches, steps):
    alone = keep(keeper(), patches(2), steps).batch(np.arange(12), 1)
    for path in banks_dir().rglob('*.npy'):
        path.unlink()
    assert torch.equal(keep(keeper(workers=2), patches(2), steps).batch(np.arange(12), 1), alone)


def test_a_batch_that_memory_does_not_last_for_is_halved(keeper, patches, steps, caplog):
    expected = keep(keeper(), patches(1), steps).batch(np.arange(12))
    for path in banks_dir().rglob('*.npy'):
        path.unlink()
    made = keeper()
    real = made.tower.prefix

    def narrow(images):
        if len(images) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(images)

    made.tower.prefix = narrow
    assert torch.equal(keep(made, patches(1), steps).batch(np.arange(12)), expected)
    assert 'going on with 2' in caplog.text


def compute_some(keeper, patches, steps, counts):
    real = keep_module.Keeper._forward
    done = []
    keep_module.Keeper._forward = lambda self, images: (
        done.append(len(images)),
        real(self, images),
    )[1]
    keep(keeper(), patches(40), steps)
    counts.put(sum(done))


def test_runs_at_the_same_time_share_the_work(keeper, patches, steps):
    context = torch.multiprocessing.get_context('fork')
    counts = context.SimpleQueue()
    runs = [
        context.Process(target=compute_some, args=(keeper, patches, steps, counts))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    probes = 2 * 2 * keep_module.PROBE
    assert counts.get() + counts.get() <= 12 * 40 + probes
    assert len(keep(keeper(), patches(40), steps).places.row) == 12 * 40


def test_options_have_the_defaults_of_the_configs():
    from cite.mm.cache_options import DEFAULTS

    assert KeepOptions(**DEFAULTS) == KeepOptions()
