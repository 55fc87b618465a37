"""One staining for every patch of a run: where its numbers come from, and where they go."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch

import cite
from cite.adapter import read_info
from cite.cli import main
from cite.data.randomness import generator
from cite.data.stain import fit_stain, slides_hash
from cite.errors import CheckpointError, ConfigError, DataError
from cite.evaluation.predictions import Predictions
from cite.images.stain import NormalizeStain, StainReference
from cite.mm.dataset import PatchDataset, build_pipeline
from cite.mm.launch import load_config, train
from cite.mm.launch import test as evaluate
from cite.mm.resolve import resolve
from cite.mm.stain import settle_stain

CLASSES = ['well', 'moderate', 'poor']
SHORT = {'train_cfg.max_iters': 2, 'default_hooks.checkpoint.interval': 2, 'baselines': []}
MACENKO = {'stain': {'method': 'macenko'}, **SHORT}
OTHER_DYES = {'stains': [[1, 0, 0], [0, 1, 0]], 'maxima': [1, 1]}
REINHARD = {'stain': {'method': 'reinhard'}, **SHORT}


def settled(cfg):
    cfg = resolve(cfg, 'cpu')
    settle_stain(cfg)
    return cfg


def pipelines(cfg):
    return [cfg[f'{name}_dataloader'].dataset.pipeline for name in ('train', 'test')]


@pytest.fixture(scope='module')
def stained(load_tiny, tmp_path_factory):
    """Run folder of two iterations with Macenko's normalisation, tested."""
    folder = tmp_path_factory.mktemp('stained') / 'run'
    train(load_tiny(folder, MACENKO))
    evaluate(load_tiny(folder, MACENKO), str(folder / 'iter_2.pth'))
    return folder


@pytest.fixture
def without_training_data(tiny_data, tmp_path):
    """Options for a copy of the data of which only the test part is left."""
    data = shutil.copytree(tiny_data, tmp_path / 'data')
    (data / 'train.csv').unlink()
    for file in (data / 'images').glob('*[012]_?.jpg'):
        file.unlink()
    return {'data_root': str(data)}


# -- fitting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('method', ['macenko', 'reinhard'])
def test_is_fitted_on_the_training_slides_and_comes_first_everywhere(tiny, tiny_data, method):
    cfg = settled(tiny({'stain': {'method': method}}))
    table = PatchDataset('train.csv', str(tiny_data), classes=CLASSES).table
    assert cfg.stain.to_dict() == fit_stain(table, method).to_dict()
    assert cfg.stain.fitted_on.slides == 9
    assert cfg.stain.fitted_on.slides_sha256 == slides_hash(set(table.slides.tolist()))
    for pipeline in pipelines(cfg):
        assert pipeline[0].type == 'NormalizeStain'
        assert pipeline[0].reference == cfg.stain.reference
        assert [step.type for step in pipeline].count('NormalizeStain') == 1
    assert pipelines(cfg)[0][1].type == 'ResizePatch'


def test_test_patches_have_no_part_in_it(tiny, tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / 'data')
    for file in (data / 'images').glob('*3_?.jpg'):  # the slides of the test set
        shutil.copy(data / 'images' / 'well0_0.jpg', file)
    before = settled(tiny(MACENKO)).stain
    assert settled(tiny({**MACENKO, 'data_root': str(data)})).stain == before


def test_slides_that_are_in_both_parts_are_refused(tiny, tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / 'data')
    with (data / 'val.csv').open('a', newline='') as file:
        csv.writer(file).writerow(('images/poor0_0.jpg', 'poor', 'poor0'))
    with pytest.raises(DataError, match='1 training slides are in the test set as well: poor0'):
        train(tiny({**MACENKO, 'data_root': str(data)}))
    train(tiny({**SHORT, 'data_root': str(data)}))  # it is the fit that refuses


def test_options_of_the_fit(tiny):
    cfg = settled(tiny({'stain': {'method': 'reinhard', 'patches': 4, 'per_slide': 1, 'seed': 3}}))
    assert cfg.stain.fitted_on == {**cfg.stain.fitted_on, 'patches': 4, 'slides': 4, 'seed': 3}
    assert set(cfg.stain) == {'method', 'reference', 'fitted_on'}
    assert settled(tiny({'stain': 'reinhard'})).stain.method == 'reinhard'
    assert settled(tiny({'stain': 'reinhard', 'randomness.seed': 5})).stain.fitted_on.seed == 5


@pytest.mark.parametrize(
    ('stain', 'message'),
    [
        ({'method': 'vahadane'}, "called 'vahadane'; known: macenko, reinhard"),
        ({'methot': 'macenko'}, 'expected dict'),
        ({'method': 'macenko', 'patch': 3}, 'stain has no option patch; it takes method, patches'),
        ({'method': 'macenko', 'patches': 0}, 'patches must be a whole number from 1, found 0'),
        ({'method': 'macenko', 'patches': 'many'}, "found 'many'"),
        ({'method': 'reinhard', 'reference': {'mean': [0, 0, 0]}}, "needs the option 'std'"),
        (3, 'found 3'),
    ],
)
def test_bad_options_are_told(tiny, stain, message):
    with pytest.raises(ConfigError, match=message):
        settled(tiny({'stain': stain}))


def test_without_training_slides_there_is_nothing_to_fit_on(tiny):
    none = dict.fromkeys(('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'))
    with pytest.raises(ConfigError, match=r'fitted on training slides, and this config has no'):
        settled(tiny({**MACENKO, **none}))
    reference = {'mean': [-0.3, -0.1, 0.0], 'std': [0.2, 0.05, 0.01]}
    cfg = settled(tiny({'stain': {'method': 'reinhard', 'reference': reference}, **none}))
    assert cfg.test_dataloader.dataset.pipeline[0].reference == reference


def test_off_is_off(tiny):
    for options in ({}, {'stain': None}):
        cfg = settled(tiny(options))
        assert all(step.type != 'NormalizeStain' for p in pipelines(cfg) for step in p)


def test_the_step_alone_is_refused_because_nothing_would_record_it(tiny):
    cfg = tiny()
    step = {'type': 'NormalizeStain', 'method': 'macenko', 'reference': {}}
    cfg.test_dataloader.dataset.pipeline = [step]
    with pytest.raises(ConfigError, match='has no `stain`'):
        settled(cfg)


# -- what a run keeps ------------------------------------------------------------------------------


def test_config_checkpoint_results_and_adapter_have_the_same_record(stained, read_checkpoint):
    record = json.loads((stained / 'stain.json').read_text())
    assert record['method'] == 'macenko' and record['fitted_on']['slides'] == 9
    assert read_checkpoint(stained / 'iter_2.pth')['cite']['stain'] == record
    assert read_info(stained / 'adapter.safetensors').preprocessing['stain'] == record
    assert json.loads((stained / 'results.json').read_text())['about']['stain'] == record
    assert (
        'stain normalised (macenko, fitted on 9 slides)' in (stained / 'MODEL_CARD.md').read_text()
    )


def test_the_written_config_trains_again_without_a_fit(
    stained, tmp_path, monkeypatch, assert_same, read_checkpoint
):
    monkeypatch.setattr('cite.mm.stain.fit_stain', None)
    train(load_config(stained / 'config.py', str(tmp_path / 'again')))
    runs = [read_checkpoint(folder / 'iter_2.pth') for folder in (stained, tmp_path / 'again')]
    assert_same(runs[0]['state_dict'], runs[1]['state_dict'])
    written = (tmp_path / 'again' / 'config.py').read_text()
    assert written.count('NormalizeStain') == 2


def test_the_adapter_predicts_what_the_test_found(stained, finished):
    predictions = Predictions.from_parquet(stained / 'predictions.parquet')
    adapter = cite.load(stained / 'adapter.safetensors')
    found = adapter.predict(predictions.files)
    np.testing.assert_allclose(found.scores, predictions.probabilities, atol=1e-6)
    adapter.stain = None
    other = adapter.predict(predictions.files)
    assert np.abs(other.scores - predictions.probabilities).max() > 1e-3
    assert cite.load(finished / 'adapter.safetensors').stain is None


# -- testing ---------------------------------------------------------------------------------------


def test_testing_takes_the_reference_of_the_checkpoint(
    stained, tiny, tmp_path, without_training_data
):
    """A fit on whatever the config calls training data would give other numbers, or none."""
    evaluate(tiny({**MACENKO, **without_training_data}), str(stained / 'iter_2.pth'))
    record = json.loads((tmp_path / 'run' / 'stain.json').read_text())
    assert record == json.loads((stained / 'stain.json').read_text())
    first, second = (
        Predictions.from_parquet(folder / 'predictions.parquet')
        for folder in (stained, tmp_path / 'run')
    )
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (SHORT, r'macenko fitted on 9 slides \(\w{12}\), the config has no .*stain=dict\(method='),
        (REINHARD, r'macenko fitted on 9 slides .*, the config has reinhard without a reference'),
        (
            {'stain': {'method': 'macenko', 'reference': OTHER_DYES}},
            r'macenko fitted on 9 slides .*, the config has macenko\. Its',
        ),
    ],
)
def test_weights_with_another_staining_are_refused(stained, tiny, options, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        evaluate(tiny(options), str(stained / 'iter_2.pth'))
    assert 'iter_2.pth' in str(caught.value)


def test_weights_that_were_trained_without_are_not_tested_with(finished, tiny, monkeypatch):
    monkeypatch.setattr('cite.mm.stain.fit_stain', None)  # told before any work
    with pytest.raises(CheckpointError, match=r'no stain normalisation, .* macenko .* stain=None'):
        evaluate(tiny(MACENKO), str(finished / 'iter_8.pth'))


def test_checkpoints_from_before_there_was_a_record(finished, tiny, tmp_path, read_checkpoint):
    checkpoint = read_checkpoint(finished / 'iter_8.pth')
    del checkpoint['cite']['stain']
    torch.save(checkpoint, tmp_path / 'old.pth')
    evaluate(tiny({'baselines': []}), str(tmp_path / 'old.pth'))


def test_a_damaged_record_is_told(stained, tiny, tmp_path, read_checkpoint):
    checkpoint = read_checkpoint(stained / 'iter_2.pth')
    checkpoint['cite']['stain']['reference'] = {'stains': 'pink'}
    torch.save(checkpoint, tmp_path / 'bad.pth')
    for options in (MACENKO, SHORT):
        with pytest.raises(CheckpointError, match=r'bad\.pth.*staining is damaged'):
            evaluate(tiny(options), str(tmp_path / 'bad.pth'))
    for path in ('gone.pth', 'torn.pth'):
        (tmp_path / 'torn.pth').write_bytes(b'PK')
        with pytest.raises(CheckpointError, match=path):
            evaluate(tiny(MACENKO), str(tmp_path / path))


def test_a_resumed_run_keeps_its_reference(stained, tiny, tmp_path):
    run = tmp_path / 'run'
    run.mkdir()
    shutil.copy(stained / 'iter_2.pth', run)
    options = {**MACENKO, 'stain': {'method': 'macenko', 'seed': 7, 'patches': 3}}
    options['train_cfg.max_iters'] = 3
    train(tiny(options), resume=True)
    record = json.loads((run / 'stain.json').read_text())
    assert record == json.loads((stained / 'stain.json').read_text())


def test_the_command_line_switches_it_on(tiny_file, tmp_path, capsys):
    words = ['--work-dir', str(tmp_path / 'run'), '--cfg-options', 'stain.method=vahadane']
    assert main(['train', str(tiny_file), *words]) == 2
    assert 'known: macenko, reinhard' in capsys.readouterr().err


# -- steps of a pipeline ---------------------------------------------------------------------------


def test_steps_are_known_to_configs():
    pixels = generator(0).integers(0, 256, (30, 30, 3)).astype(np.uint8)
    picture = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    reference = StainReference('reinhard', {'mean': [-0.3, -0.1, 0], 'std': [0.2, 0.05, 0.01]})
    step = {'type': 'NormalizeStain', **reference.to_dict()}
    del step['fitted_on']
    wanted = NormalizeStain('reinhard', reference.reference)(picture)
    assert torch.equal(build_pipeline([step])(picture), wanted)
    assert torch.equal(build_pipeline([{'type': 'StainJitter', 'sigma': 0.0}])(picture), picture)
