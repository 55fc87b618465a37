"""`cite contrast`: from a manifest to an adapted pair, from a config, and every way to get it wrong."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import one_thread, quick_start  # noqa: F401  # short runs start quickly

from cite.cli import build_parser, main
from cite.cli.contrast import pair_config

TEXTS = (
    'Necrosis is present.',
    'Scattered lymphocytes.',
    'Round nuclei.',
    'Glands are absent.',
    'Loose stroma.',
    'Single cells.',
)
SHORT = ['--model', 'tiny-tissue', '--batch', '12', '--chunk', '5', '--iterations']
IN_ONE = ('train_dataloader.num_workers=0', 'val_dataloader.num_workers=0', 'model.precision=fp32')


def write_manifest(path, rows):
    with path.open('w', encoding='utf-8', newline='') as stream:
        writer = csv.writer(stream)
        writer.writerow(('file', 'caption', 'slide'))
        writer.writerows(rows)
    return path


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Each text is that of a colour: 5 patches to train on, 3 of other slides to validate."""
    root = tmp_path_factory.mktemp('coloured')
    rng = np.random.default_rng(0)
    colours = rng.permutation([(r, g, b) for r in (60, 210) for g in (60, 210) for b in (60, 210)])
    for side, count in (('train', 5), ('val', 3)):
        rows = []
        for number, (text, colour) in enumerate(zip(TEXTS, colours, strict=False)):
            for patch in range(count):
                pixels = (colour + rng.normal(0, 30, (112, 112, 3))).clip(0, 255)
                file = f'{side}{number}_{patch}.png'
                Image.fromarray(pixels.astype(np.uint8)).save(root / file)
                rows.append((file, text, f'{side}{number}'))
        write_manifest(root / f'{side}.csv', rows)
    return root


def pairs_of(data, train='train.csv', val='val.csv'):
    return ['contrast', '--pairs', str(data / train), '--val-pairs', str(data / val)]


@pytest.fixture(scope='module')
def finished(data, tmp_path_factory):
    """A run of 14 iterations with checkpoints at 7 and 14."""
    folder = tmp_path_factory.mktemp('runs') / 'whole'
    words = [*pairs_of(data), *SHORT, '14', '--lr', '4e-3', '--work-dir', str(folder)]
    words += ['--options', *IN_ONE, 'default_hooks.checkpoint.interval=7']
    assert main(words) == 0
    return folder, words


def error(capsys, code):
    err = capsys.readouterr().err
    assert code == 2 and err.startswith('cite contrast: error: ') and err.count('\n') == 1, err
    return err


def test_an_easy_set_is_learned(finished):
    """These wordings meet these colours nowhere in what the pair has seen."""
    from cite.encoders.pairs import load_pair

    folder, _ = finished
    record = json.loads((folder / 'recall.json').read_text())
    before, after = record['before'], record['after']
    for way in ('image_to_text', 'text_to_image'):
        assert after[f'{way}/recall@1'] > before[f'{way}/recall@1'] + 0.2
        assert after[f'{way}/recall@1'] > 2 * after[f'{way}/chance_recall@1']
    assert record['about']['vision'] == 'tiny-tissue' and record['seconds'] > 0
    # the figures are those of the file that it wrote
    pair = load_pair(folder / 'pair.safetensors')
    data = sorted(open_rows(folder))
    cosines = pair.encode_images([path for path, _ in data]) @ pair.encode_text(TEXTS).T
    hits = [TEXTS[i] == text for i, (_, text) in zip(cosines.argmax(1), data, strict=True)]
    assert np.mean(hits) == pytest.approx(after['image_to_text/recall@1'])


def open_rows(folder):
    """Validation images of a run, with their captions."""
    from mmengine.config import Config

    dataset = Config.fromfile(folder / 'config.py').val_dataloader.dataset
    with Path(dataset.ann_file).open(encoding='utf-8', newline='') as stream:
        return [
            (f'{dataset.data_prefix}/{r["file"]}', r['caption']) for r in csv.DictReader(stream)
        ]


def test_a_stopped_run_goes_on_to_the_same_weights(finished, tmp_path, capsys):
    from safetensors.numpy import load_file

    folder, words = finished
    again = tmp_path / 'again'
    again.mkdir()
    shutil.copy(folder / 'iter_7.pth', again)
    words = [str(again) if word == str(folder) else word for word in words]
    assert main([*words, '--resume']) == 0
    shown = capsys.readouterr().out
    assert 'trains     61,441 of ' in shown
    assert 'training   30 pairs, 6 distinct texts' in shown
    assert 'batch      12 in chunks of 5, 14 iterations; each pair about 5.6 times' in shown
    assert 'note: 6 of the 6 validation texts are trained on' in shown
    assert 'before   after  chance' in shown
    for verb in ('zeroshot PATCHES --classes', 'retrieve PATCHES --query'):
        line = next(line for line in shown.splitlines() if verb in line)
        words_of_line = shlex.split(line.partition('cite ')[2])
        assert build_parser().parse_args(words_of_line).model == str(again / 'pair.safetensors')
    first, second = (load_file(run / 'pair.safetensors') for run in (folder, again))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    records = [json.loads((run / 'recall.json').read_text()) for run in (folder, again)]
    assert (
        records[0]['before'] == records[1]['before'] and records[0]['after'] == records[1]['after']
    )


def test_a_config_trains_as_by_train(data, finished, tmp_path):
    """To the last bit: measuring before draws nothing."""
    from safetensors.numpy import load_file

    config = tmp_path / 'of_pairs.py'
    text = (finished[0] / 'config.py').read_text()
    config.write_text(text.replace(repr(str(finished[0])), repr('unused')))
    options = ['--cfg-options', 'train_cfg.max_iters=2']
    for verb in ('train', 'contrast'):
        assert main([verb, str(config), '--work-dir', str(tmp_path / verb), *options]) == 0
    files = [load_file(tmp_path / verb / 'pair.safetensors') for verb in ('train', 'contrast')]
    assert all(np.array_equal(files[0][name], files[1][name]) for name in files[0])


def test_flags_reach_the_config(data, tmp_path):
    words = [*pairs_of(data), '--model', 'tiny-tissue', '--loss', 'siglip', '--iterations', '40']
    more = [
        '--tuning',
        'VisualPrompt',
        '--text-tuning',
        'NoTuning',
        '--lr',
        '2e-4',
        '--mask-grades',
    ]
    last = ['--seed', '4', '--root', str(tmp_path), '--options', 'val_dataloader.batch_size=7']
    cfg = pair_config(build_parser().parse_args([*words, *more, *last]))
    assert (cfg.model.vision.model, cfg.model.vision.tuning) == ('tiny-tissue', 'VisualPrompt')
    assert (cfg.model.text.model, cfg.model.text.tuning) == ('tiny-tissue', 'NoTuning')
    assert (cfg.model.loss, cfg.model.scale, cfg.optim_wrapper.optimizer.lr) == (
        'siglip',
        None,
        2e-4,
    )
    assert (cfg.randomness.seed, cfg.val_dataloader.batch_size) == (4, 7)
    assert cfg.work_dir == 'work_dirs/contrast'
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert loader.dataset.mask_grades and loader.dataset.data_prefix == str(tmp_path)
    rise, fall = cfg.param_scheduler
    assert rise.end == fall.begin == 4  # the base's warm-up is longer than this training


def test_a_short_training_reaches_its_learning_rate(finished):
    log = next(finished[0].rglob('scalars.json')).read_text().splitlines()
    rates = [json.loads(line)['lr'] for line in log if '"lr"' in line]
    assert max(rates) > 2e-3


def test_without_flags_the_base_holds(data):
    cfg = pair_config(build_parser().parse_args(pairs_of(data)))
    assert (cfg.model.vision.model, cfg.model.vision.tuning.type) == ('plip', 'LoRA')
    assert (cfg.model.chunk, cfg.train_dataloader.batch_size) == (32, 256)
    assert cfg.train_cfg.max_iters == 500 and cfg.param_scheduler[1].begin == 50


@pytest.fixture
def parted(data, tmp_path):
    """One manifest with a column split; captions are called text."""
    rows = []
    for side in ('train', 'val'):
        with (data / f'{side}.csv').open(encoding='utf-8', newline='') as stream:
            rows += [(r['file'], r['caption'], r['slide'], side) for r in csv.DictReader(stream)]
    path = tmp_path / 'parted.csv'
    with path.open('w', encoding='utf-8', newline='') as stream:
        csv.writer(stream).writerows([('file', 'text', 'slide', 'split'), *rows])
    return path


def test_captions_of_another_column_are_trained_on(data, parted, tmp_path, capsys):
    words = ['contrast', '--pairs', str(parted), '--root', str(data), *SHORT, '1']
    words += ['--work-dir', str(tmp_path / 'run'), '--options', *IN_ONE]
    told = error(capsys, main(words))
    assert "no column 'caption', found file, text, slide, split" in told
    assert '--caption-column' in told
    assert main([*words, '--caption-column', 'text']) == 0
    assert 'training   30 pairs, 6 distinct texts' in capsys.readouterr().out


def test_one_manifest_is_parted_by_its_column_split(parted):
    words = ['contrast', '--pairs', str(parted), '--caption-column', 'text']
    cfg = pair_config(build_parser().parse_args(words))
    assert cfg.train_dataloader.dataset.split == 'train'
    assert cfg.val_dataloader.dataset.split == 'val'
    assert cfg.val_dataloader.dataset.ann_file == cfg.train_dataloader.dataset.ann_file


def test_slides_on_both_sides_are_told_first_and_last(data, tmp_path, capsys):
    words = [*pairs_of(data, val='train.csv'), *SHORT, '1', '--work-dir', str(tmp_path / 'run')]
    assert main([*words, '--options', *IN_ONE]) == 0
    shown = capsys.readouterr().out
    leak = 'note: LEAK: training and validation share 6 slides (train0, train1'
    assert shown.count(leak) == 2 and shown.index(leak) < shown.index('before   after')


def test_captions_that_are_too_long_are_counted(data, tmp_path, capsys):
    lines = (data / 'train.csv').read_text().splitlines()
    lines[1] = lines[1].replace('Necrosis', 'Necrosis ' * 300)
    (tmp_path / 'long.csv').write_text('\n'.join(lines))
    words = [
        'contrast',
        '--pairs',
        str(tmp_path / 'long.csv'),
        '--val-pairs',
        str(data / 'val.csv'),
    ]
    words += ['--root', str(data), *SHORT, '1', '--work-dir', str(tmp_path / 'run')]
    words += ['--options', *IN_ONE]
    assert main(words) == 0
    assert 'note: 1 of 7 captions are longer than the ' in capsys.readouterr().out
    assert 'longer than' in error(capsys, main([*words, 'model.truncate=False']))


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'give a config, or training pairs by --pairs'),
        (['quickstart/cite'], "trains no pair .*'CiteRunner'.*use cite train"),
        (['contrast/tiny_lor'], 'Did you mean contrast/tiny_lora'),
        (['contrast/tiny_lora', '--lr', '1e-3'], '--lr does not go with it; .*--options'),
        (['contrast/tiny_lora', '--pairs', 'x.csv'], '--pairs does not go with it'),
        (['contrast/tiny_lora', '--resume', 'gone.pth'], 'checkpoint gone.pth: no such file'),
        (['--pairs', 'gone.csv'], 'gone.csv: no such file'),
        (['--pairs', '{data}'], 'is a folder, a CSV manifest is needed'),
        (
            ['--pairs', '{data}/train.csv'],
            'no column split, .*: give --val-pairs, or a column split with train and val',
        ),
        (['{pairs}', '--caption-column', 'txt'], 'no column .txt., found file, caption, slide'),
        (['contrast/tiny_lora', '--caption-column', 'x'], '--caption-column does not go with it'),
        (['{pairs}', '--model', 'plpi'], 'unknown pair .plpi.: did you mean plip'),
        (
            ['{pairs}', '--model', '{data}/val.csv'],
            'is a file: training goes on from a published pair',
        ),
        (['{pairs}'], '30 pairs, fewer than a batch of 256: give --batch 30 or less'),
        (['{pairs}', '--root', '{data}/none'], '30 of 30 files are not under .*none: train0_0.png'),
        (['{pairs}', '--options', 'modle.dim=4'], 'did you mean model.dim'),
        (['{one}', '--batch', '2'], 'all 5 pairs have one text'),
        (['{pairs}', '--batch', '8', '--model', 'tiny-tissue', '--tuning', 'LoRa'], 'LoRA'),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words, message, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = (data / 'train.csv').read_text().splitlines()
    (tmp_path / 'one.csv').write_text('\n'.join(lines[:6]))
    one = ['--pairs', str(tmp_path / 'one.csv'), '--val-pairs', str(data / 'val.csv')]
    short = {'{pairs}': pairs_of(data)[1:], '{one}': [*one, '--root', str(data)]}
    spelt = [
        part for word in words for part in short.get(word, [word.replace('{data}', str(data))])
    ]
    assert re.search(message, error(capsys, main(['contrast', *spelt])))


@pytest.mark.parametrize('lr', ['0', 'fast', 'nan', 'inf', '-1'])
def test_a_learning_rate_is_above_0(lr, capsys):
    with pytest.raises(SystemExit) as stop:
        main(['contrast', '--pairs', 'x.csv', f'--lr={lr}'])
    assert stop.value.code == 2 and 'expected a number above 0' in capsys.readouterr().err
