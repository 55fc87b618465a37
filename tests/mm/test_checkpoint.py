from __future__ import annotations

import errno
import random
import shutil

import numpy as np
import pytest
import torch
from tiny_models import CITE_STATE

from cite.errors import CheckpointError
from cite.mm.checkpoint import (
    anchors_of_checkpoint,
    checkpoint_before,
    latest_checkpoint,
    plain_message_hub,
    random_state,
    restore_random_state,
    rich_message_hub,
)
from cite.mm.launch import test as evaluate
from cite.mm.launch import train

# -- what is in it ---------------------------------------------------------------------------------


def test_holds_what_trained_and_nothing_frozen(finished, read_checkpoint):
    path = finished / 'iter_8.pth'
    checkpoint = read_checkpoint(path)  # weights_only
    assert set(checkpoint['state_dict']) == CITE_STATE
    assert bool(checkpoint['state_dict']['backbone.tuning.initialized'])
    assert checkpoint['meta']['iter'] == 8
    assert len(checkpoint['random_state']) == 1
    assert len(checkpoint['optimizer']['param_groups']) == 3
    assert checkpoint['optimizer']['state'][0]['exp_avg'].shape == (1, 1, 192)
    weights = sum(value.nbytes for value in checkpoint['state_dict'].values())
    assert path.stat().st_size < 3 * weights + 100_000  # two moments of AdamW, and small change


def test_message_hub_is_plain_and_comes_back_whole(finished, read_checkpoint):
    state = read_checkpoint(finished / 'iter_8.pth')['message_hub']
    assert plain_values(state)
    hub = rich_message_hub(state)
    losses = hub['log_scalars']['train/loss']
    assert len(losses.data[0]) == 8 and losses.mean(8) > 0
    assert hub['runtime_info']['max_iters'] == 8
    assert plain_message_hub(hub) == state


def plain_values(value):
    if isinstance(value, dict):
        return all(plain_values(item) for item in value.values())
    if isinstance(value, list):
        return all(plain_values(item) for item in value)
    return value is None or type(value) in (str, int, float, bool)


def test_what_is_not_plain_is_left_out_of_the_message_hub():
    state = {
        'log_scalars': {},
        'runtime_info': {
            'iter': np.int64(3),
            'kept': [1, 2.5, ('a', None)],
            'dropped': object(),
            'deep': {'x': [object()]},
        },
        'resumed_keys': {'iter': True},
    }
    assert plain_message_hub(state)['runtime_info'] == {'iter': 3, 'kept': [1, 2.5, ['a', None]]}


def test_random_states_of_all_generators_come_back():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item(), random.gauss(0, 1)

    np.random.randn()  # leaves half a pair behind
    state = random_state()
    first = draw(), np.random.randn()
    restore_random_state(state)
    assert (draw(), np.random.randn()) == first


# -- which one to resume ---------------------------------------------------------------------------


def test_latest_is_the_noted_one(tmp_path):
    for number in (50, 100, 200):
        (tmp_path / f'iter_{number}.pth').touch()
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_200.pth')
    note = tmp_path / 'last_checkpoint'
    note.write_text(str(tmp_path / 'iter_100.pth'))  # 200 is of a run before this one
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_100.pth')


@pytest.mark.parametrize(
    'note', [b'', b'  \n', b'\0\0\0\0', b'/gone/iter_7.pth', b'/tmp', b'\xff\xfe']
)
def test_a_note_that_a_killed_job_left_is_no_harm(tmp_path, note):
    for number in (9, 10):
        (tmp_path / f'iter_{number}.pth').touch()
    (tmp_path / '.iter_11.pth.tmp').touch()
    (tmp_path / 'last_checkpoint').write_bytes(note)
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_10.pth')


def test_in_a_copied_folder_the_copy_counts(tmp_path):
    for folder in ('run', 'copy'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'iter_4.pth').touch()
        (tmp_path / folder / 'last_checkpoint').write_text(str(tmp_path / 'run' / 'iter_4.pth'))
    assert latest_checkpoint(tmp_path / 'copy') == str(tmp_path / 'copy' / 'iter_4.pth')


def test_nothing_to_resume(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / 'none') is None


def test_before_a_damaged_one_comes_the_newest_whole_one(tmp_path):
    for number in (2, 4):
        torch.save({'iter': number}, tmp_path / f'iter_{number}.pth')
    for number in (6, 8):
        (tmp_path / f'iter_{number}.pth').write_bytes(b'PK')
    torch.save({}, tmp_path / 'iter_99.pth')
    assert checkpoint_before(tmp_path / 'iter_8.pth') == tmp_path / 'iter_4.pth'
    assert checkpoint_before(tmp_path / 'iter_2.pth') is None


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.backbone.image_size': 64}, 'trained on a base model with digest'),
        (
            {'model.backbone.tuning.length': 2},
            r'prompt is \(1, 1, 192\), the model has \(1, 2, 192',
        ),
        ({'model.head.texts': ['red tissue', 'x', 'y']}, r"text 1 was 'green tissue', .* has 'x'"),
        ({'model.head.text_encoder.pooling': 'cls'}, r'anchors of .* \(mean\), .* \(cls\)'),
        (
            {'model.neck': None, 'model.head': 'LinearHead'},
            r'2 missing \(head\.fc\.bias, .*\); \d unexp',
        ),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(tiny, finished, options, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        evaluate(tiny(options), str(finished / 'iter_8.pth'))
    assert 'iter_8.pth' in str(caught.value)


def test_a_checkpoint_of_other_classes_is_refused(tiny, finished):
    cfg = tiny()
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.classes = ['poor', 'moderate', 'well']
    with pytest.raises(
        CheckpointError, match=r"classes \['well', 'moderate', 'poor'\], the config"
    ):
        evaluate(cfg, str(finished / 'iter_8.pth'))


def test_refusing_to_resume_overwrites_nothing(tiny, stopped):
    (stopped / 'config.py').write_text('# the config of the run')
    with pytest.raises(CheckpointError, match=r'in its run folder|prompt'):
        train(tiny({'model.backbone.tuning.length': 2}), resume=True)
    assert (stopped / 'config.py').read_text() == '# the config of the run'
    assert not (stopped / 'iter_8.pth').exists()


def test_another_seed_is_refused(tiny, stopped):
    with pytest.raises(
        CheckpointError, match=r'seed 0, the config has 5; resume with randomness\.seed=0'
    ):
        train(tiny({'randomness.seed': 5}), resume=True)


class Unsafe:
    """What `weights_only` must not let in."""


def test_files_that_are_no_checkpoint_of_ours(tiny, tmp_path, finished):
    def message(path):
        with pytest.raises(CheckpointError) as caught:
            evaluate(tiny(), str(path))
        assert str(path) in str(caught.value) and '\n' not in str(caught.value)
        return str(caught.value)

    for content in ({'state_dict': {'weight': torch.ones(2)}}, [1, 2]):
        torch.save(content, tmp_path / 'foreign.pth')
        assert 'is no checkpoint of cite' in message(tmp_path / 'foreign.pth')
    assert 'no such file' in message(tmp_path / 'missing.pth')
    whole = (finished / 'iter_8.pth').read_bytes()
    (tmp_path / 'truncated.pth').write_bytes(whole[: len(whole) // 2])
    assert 'damaged' in message(tmp_path / 'truncated.pth')
    (tmp_path / 'empty.pth').touch()
    assert 'damaged' in message(tmp_path / 'empty.pth')
    torch.save({'state_dict': {}, 'code': Unsafe()}, tmp_path / 'unsafe.pth')
    assert 'not tensors and plain values' in message(tmp_path / 'unsafe.pth')
    message(finished / 'adapter.safetensors')


# -- damage on the way -----------------------------------------------------------------------------


def test_a_truncated_newest_checkpoint_names_the_one_before_it(tiny, finished, tmp_path):
    shutil.copytree(finished, tmp_path / 'run')
    newest = tmp_path / 'run' / 'iter_8.pth'
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match='cannot be read: damaged') as caught:
        train(tiny(), resume=True)
    hint = f'--resume {tmp_path}/run/iter_4.pth'
    assert str(caught.value).endswith(hint)
    assert train(tiny(), resume=hint.removeprefix('--resume ')).iter == 8


@pytest.mark.parametrize('where', ['write', 'replace'])
def test_a_full_disk_leaves_the_checkpoints_before(tiny, tmp_path, monkeypatch, finished, where):
    from pathlib import Path

    from mmengine.fileio import LocalBackend

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    real_put, real_replace = LocalBackend.put, Path.replace

    def put(self, content, filepath):
        if 'iter_8' in str(filepath) and where == 'write':
            real_put(self, content[:100], filepath)
            full()
        real_put(self, content, filepath)

    def replace(self, target):
        return (
            full() if 'iter_8' in str(target) and where == 'replace' else real_replace(self, target)
        )

    monkeypatch.setattr(LocalBackend, 'put', put)
    monkeypatch.setattr(Path, 'replace', replace)
    with pytest.raises(CheckpointError, match=r'iter_8\.pth could not be written: No space left'):
        train(tiny())
    run = tmp_path / 'run'
    assert sorted(path.name for path in run.glob('*iter_*')) == ['iter_4.pth']
    assert not list(run.glob('.*'))
    assert latest_checkpoint(run) == str(run / 'iter_4.pth')
    monkeypatch.undo()
    train(tiny(), resume=True)
    same = [
        torch.load(folder / 'iter_8.pth', weights_only=True)['state_dict']
        for folder in (run, finished)
    ]
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[1])


def test_a_disk_that_is_full_elsewhere_is_told_too(tiny, monkeypatch):
    import cite.mm.runner

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device', 'somewhere')

    monkeypatch.setattr(cite.mm.base_runner, 'write_text', full)
    with pytest.raises(CheckpointError, match='No space left on device: somewhere'):
        train(tiny())


# -- anchors ---------------------------------------------------------------------------------------


def test_anchors_can_be_had_from_a_checkpoint(finished, tmp_path):
    path = finished / 'iter_8.pth'
    texts = ['red tissue', 'green tissue', 'blue tissue']
    anchors = anchors_of_checkpoint(str(path), texts)
    assert anchors.texts == tuple(texts)
    assert anchors.embeddings.shape == (3, 128)
    assert anchors.provenance['model'] == 'random-bert-tiny'
    assert anchors_of_checkpoint(str(path), ['red', 'green', 'blue']) is None
    assert anchors_of_checkpoint(str(tmp_path / 'missing.pth'), texts) is None
    torch.save([1, 2], tmp_path / 'foreign.pth')
    assert anchors_of_checkpoint(str(tmp_path / 'foreign.pth'), texts) is None
