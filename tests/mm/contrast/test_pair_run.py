"""A whole run on pairs: what it leaves behind, recall@k, and errors in one line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_models import save_tiny_bert

from cite.cli import main
from cite.data import read_pairs_csv, write_shards
from cite.encoders.pairs import load_pair
from cite.errors import CiteError, ConfigError, DataError
from cite.mm.contrast.runner import ContrastRunner
from cite.mm.launch import test as evaluate
from cite.mm.launch import train


def recall_by_hand(images, texts, image_groups, text_groups, k):
    """Fraction of images with their text among the first k, and of texts with an image of theirs."""
    cosines = images @ texts.T
    mine = image_groups[:, None] == text_groups
    first = np.argsort(-cosines, axis=1)[:, :k]
    of_images = np.take_along_axis(mine, first, axis=1).any(axis=1).mean()
    first = np.argsort(-cosines, axis=0)[:k]
    return of_images, np.take_along_axis(mine, first, axis=0).any(axis=0).mean()


def test_recall_is_that_of_the_trained_pair(finished_pair, pair_data):
    """Of the file that training left behind, with images and texts read anew."""
    table = read_pairs_csv(pair_data / 'val.csv')
    pair = load_pair(finished_pair / 'pair.safetensors')
    images = pair.encode_images([table.path(i) for i in range(len(table))])
    numbers, once = np.unique(table.groups, return_index=True)
    texts = pair.encode_text([table.captions[i] for i in once])
    results = json.loads((finished_pair / 'results.json').read_text())
    assert (results['images'], results['texts']) == (8, 4)
    for k in (1, 5, 10):
        found = [
            results['recall'][f'{way}/recall@{k}'] for way in ('image_to_text', 'text_to_image')
        ]
        assert found == pytest.approx(recall_by_hand(images, texts, table.groups, numbers, k))
    about = results['about']
    assert (about['dim'], about['loss'], about['seed']) == (6, 'clip', 0)
    assert about['checkpoint'] == str(finished_pair / 'iter_8.pth')
    assert about['data']['train']['source'] == str(pair_data / 'train.csv')


def test_recall_is_logged_during_training(finished_pair, read_checkpoint):
    """At 3, 6 and 8, of 8 iterations."""
    hub = read_checkpoint(finished_pair / 'iter_8.pth')['message_hub']['log_scalars']
    for way in ('image_to_text', 'text_to_image'):
        values = hub[f'val/{way}/recall@1'][0]
        assert len(values) >= 2
        assert all(0 <= value <= 1 for value in values)
        assert hub[f'val/{way}/chance_recall@1'][0] == pytest.approx([0.25] * len(values))


def test_the_file_holds_the_trained_pair(finished_pair, tiny_pair):
    runner = ContrastRunner.from_cfg(tiny_pair({'load_from': str(finished_pair / 'iter_8.pth')}))
    runner.load_or_resume()
    trained = runner.bare_model.pair.eval()
    loaded = load_pair(str(finished_pair / 'pair.safetensors'))
    images = np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    assert np.array_equal(loaded.encode_images(images), trained.encode_images(images))
    texts = ['red tissue.', 'mucus', 'pale cords. glands']
    assert np.array_equal(loaded.encode_text(texts), trained.encode_text(texts))
    assert loaded.scale == trained.scale
    assert not loaded.training
    names = loaded.state_dict().keys()
    assert any('.lora_' in name for name in names)
    assert not any('base_layer' in name for name in names)  # frozen weights stay out


def test_the_written_config_trains_again(finished_pair, tmp_path, read_checkpoint, assert_same):
    cfg = Config.fromfile(finished_pair / 'config.py')
    cfg.work_dir, cfg.load_from = str(tmp_path / 'again'), None
    train(cfg)
    first, second = (
        read_checkpoint(folder / 'iter_8.pth') for folder in (finished_pair, tmp_path / 'again')
    )
    assert_same(first['state_dict'], second['state_dict'])


def test_it_is_trained_and_tested_by_command(pair_file, tmp_path, finished_pair, capsys):
    folder = ['--work-dir', str(tmp_path / 'run')]
    short = ['--cfg-options', 'train_cfg.max_iters=2']
    assert main(['train', str(pair_file), *folder, *short]) == 0
    assert (tmp_path / 'run' / 'pair.safetensors').is_file()
    assert main(['test', str(pair_file), str(finished_pair / 'iter_8.pth'), *folder]) == 0
    assert 'recall@1  (chance)' in ''.join(capsys.readouterr())
    ours, theirs = (
        json.loads((folder / 'results.json').read_text())['recall']
        for folder in (tmp_path / 'run', finished_pair)
    )
    assert ours == theirs


def test_a_model_in_memory_is_tested_as_it_is(tiny_pair, finished_pair):
    found = train(tiny_pair()).test()
    assert found == evaluate(tiny_pair(), str(finished_pair / 'iter_8.pth'))


def test_a_pair_that_nothing_tunes_is_tested_without_checkpoint(tiny_pair, tmp_path):
    options = {'model.vision.tuning': 'NoTuning', 'model.text.tuning': 'NoTuning'}
    with pytest.raises(ConfigError, match='this pair has trained weights: give the checkpoint'):
        evaluate(tiny_pair(options))  # its projections
    options['model.text.model'] = str(save_tiny_bert(tmp_path / 'bert', hidden_size=192))
    for loss in ('clip', 'siglip'):
        found = evaluate(tiny_pair({**options, 'model.dim': None, 'model.loss': loss}))
        assert 0 <= found['image_to_text/recall@1'] <= 1


def test_shards_are_evaluated_like_the_table(tiny_pair, pair_data, finished_pair, tmp_path):
    write_shards(read_pairs_csv(pair_data / 'val.csv'), tmp_path / 'shards', per_shard=3)
    cfg = tiny_pair()
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset = {'type': 'PairShards', 'data_root': '', 'shards': str(tmp_path / 'shards')}
    train(cfg)
    found = evaluate(cfg, str(finished_pair / 'iter_8.pth'))
    expected = json.loads((finished_pair / 'results.json').read_text())['recall']
    assert found == pytest.approx(expected)


def test_a_damaged_tower_is_noticed_at_the_end(tiny_pair, tmp_path, monkeypatch):
    from cite.mm.contrast.model import CitePair

    real = CitePair.train_step

    def train_step(self, *args, **options):
        values = real(self, *args, **options)
        self.pair.vision.trunk.cls_token.data += 1
        return values

    monkeypatch.setattr(CitePair, 'train_step', train_step)
    with pytest.raises(CiteError, match='frozen weights of the vision tower changed'):
        train(tiny_pair({'train_cfg.max_iters': 1}))
    assert not (tmp_path / 'run' / 'pair.safetensors').exists()


def test_the_same_slides_on_both_sides_are_told(tiny_pair, tmp_path):
    train(tiny_pair({'val_dataloader.dataset.ann_file': 'train.csv', 'train_cfg.max_iters': 1}))
    log = ''.join(path.read_text() for path in (tmp_path / 'run').rglob('*.log'))
    assert 'training and validation pairs share 8 slides' in log


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.vision': {'_delete_': True}}, r'the config has no `model.vision.model`'),
        ({'model.vision.model': 'random-vit-tny'}, 'random-vit-tiny'),
        ({'model.dim': None}, 'gives 192 features and random-bert-tiny 128'),
        ({'model.loss': 'triplet'}, 'loss must be one of clip, siglip'),
        ({'model.bias': -1.0}, "a bias belongs to loss='siglip'"),
        ({'model.text.max_length': 5}, 'tokens is longer than the 5 .*truncate=True'),
        ({'model.precision': 'fp16'}, "'fp16' needs a GPU"),
        ({'runner_type': 'CiteRunner'}, 'the config has no `model.backbone`'),
        ({'runner_type': 'Runner'}, "'ContrastRunner' .pairs., found 'Runner'"),
        ({'model_wrapper_cfg': {'type': 'MMDistributedDataParallel'}}, 'without a wrapper'),
        ({'train_dataloader.dataset.sentences': 'some'}, "sentences must be one of .*found 'some'"),
        ({'train_dataloader.dataset.ann_file': 'none.csv'}, 'none.csv'),
        ({'train_dataloader.sampler.type': 'PatchSampler'}, "needs a 'PatchDataset'"),
        ({'train_dataloader.sampler.balance': 'slide'}, "'none', 'text'"),
        ({'train_dataloader.dataset.pipeline.0.share': 0.6}, 'CropPatch: share must be'),
        ({'test_evaluator': {'type': 'RecallAtK', 'ks': [0]}}, 'k of at least 1'),
        ({'train_cfg': {'by_epoch': True, 'max_epochs': 2}}, 'training counts iterations'),
    ],
)
def test_what_is_wrong_is_told_in_one_line(options, message, tiny_pair):
    cfg = tiny_pair(options)
    if 'train_dataloader.sampler.balance' in options:
        cfg.train_dataloader.sampler.type = 'PairSampler'
    if 'test_evaluator' in options:
        cfg.val_evaluator = cfg.test_evaluator
    with pytest.raises(CiteError, match=message) as error:
        train(cfg)
    assert '\n' not in str(error.value).strip()


@pytest.mark.parametrize('part', ['train', 'val'])
def test_captions_that_are_too_long_are_found_before_training(part, tiny_pair, pair_data, tmp_path):
    lines = (pair_data / f'{part}.csv').read_text().splitlines()
    lines[-1] = lines[-1].replace('tissue.', 'tissue ' * 50)
    (tmp_path / 'long.csv').write_text('\n'.join(lines))
    options = {
        f'{part}_dataloader.dataset.ann_file': str(tmp_path / 'long.csv'),
        f'{part}_dataloader.dataset.data_prefix': str(pair_data),
        'train_cfg.max_iters': 1,
    }
    with pytest.raises(ConfigError, match=r'longer than the 256.*model\.truncate=True'):
        train(tiny_pair(options))
    assert train(tiny_pair({**options, 'model.truncate': True})).iter == 1


@pytest.mark.parametrize('steps', [['CropPatch'], ['AugmentPatch', 'CropPatch'], ['AugmentPatch']])
def test_a_pipeline_that_names_no_size_gets_the_towers(steps, tiny_pair):
    cfg = tiny_pair({'train_cfg.max_iters': 1})
    cfg.train_dataloader.dataset.pipeline = [{'type': step} for step in steps]
    assert train(cfg).iter == 1
    cfg.train_dataloader.dataset.pipeline = [{'type': 'ResizePatch'}, {'type': 'CropPatch'}]
    with pytest.raises(ConfigError, match='put it in front of ResizePatch'):
        train(cfg)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('train0_0.jpg, ,s', "line 2: no value in column 'caption'"),
        ('train0_0.jpg,...,s', 'captions without words, of'),
        ('gone.jpg,red,s', 'gone.jpg'),
    ],
)
def test_pairs_that_cannot_be_used_are_refused(line, message, tiny_pair, pair_data, tmp_path):
    shutil.copy(pair_data / 'train0_0.jpg', tmp_path)
    (tmp_path / 'bad.csv').write_text(f'file,caption,slide\n{line}\n')
    options = {'data_root': str(tmp_path), 'train_dataloader.dataset.ann_file': 'bad.csv'}
    with pytest.raises(DataError, match=message):
        train(tiny_pair(options))


def test_both_runners_can_start_behind_each_other(tiny_pair, tmp_path):
    """In one process; the second does not go on with the first one's numbers."""
    for folder in ('first', 'second'):
        train(tiny_pair({'train_cfg.max_iters': 2}, folder))
    states = [
        torch.load(tmp_path / f / 'iter_2.pth', weights_only=True) for f in ('first', 'second')
    ]
    assert all(
        torch.equal(states[0]['state_dict'][n], v) for n, v in states[1]['state_dict'].items()
    )
