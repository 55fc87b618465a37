"""Pairs as a config names them: PatchGastric with its reports, balance by text, drawn sentences."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image

from cite.data import Draw, few_shot_split, read_patchgastric, write_split
from cite.errors import ConfigError, DataError
from cite.mm.contrast.data import PairDataset, PairSampler, PairShards, PatchGastricPairs
from cite.mm.dataset import PatchBatchSampler
from cite.mm.launch import train

SUBTYPES = (
    'Well differentiated tubular adenocarcinoma',
    'Moderately differentiated tubular adenocarcinoma',
    'Poorly differentiated adenocarcinoma, solid type',
)
PIPELINE = [{'type': 'ResizePatch', 'size': 32}]


@pytest.fixture(scope='module')
def gastric(tmp_path_factory):
    """Three slides of each grade with 2, 3 and 4 patches; one of each is held out."""
    root = tmp_path_factory.mktemp('gastric')
    (root / 'patches_captions').mkdir()
    lines = ['id,subtype,text']
    for grade, subtype in enumerate(SUBTYPES):
        for number in range(3):
            lines.append(f'g{grade}n{number},"{subtype}","Ducts {number}. {subtype}."')
            for patch in 'abcd'[: 2 + number]:
                file = root / 'patches_captions' / f'g{grade}n{number}_{patch}.jpg'
                Image.new('RGB', (40, 40), (80 * grade, 80 * number, 90)).save(file)
    (root / 'captions.csv').write_text('\n'.join(lines) + '\n')
    table = read_patchgastric(root)[0]
    split = few_shot_split(table, [1, 'all'], eval_fraction=0.34, seed=0)
    write_split(table, split, root / 'splits')
    return root, split


def slides(split, part):
    return {slide for of_class in split.slides(part).values() for slide in of_class}


@pytest.mark.parametrize('part', ['train_1', 'train_all'])
def test_training_pairs_are_of_the_slides_of_the_part(gastric, part):
    root, split = gastric
    pairs = PatchGastricPairs(str(root), part, pipeline=PIPELINE)
    assert set(pairs.pairs.slides.tolist()) == slides(split, part)
    assert not set(pairs.pairs.slides.tolist()) & slides(split, 'val')
    sample = pairs[0]['data_samples']
    grade = int(pairs.pairs.slides[0][1])
    assert sample.caption.endswith(f'{SUBTYPES[grade]}.')
    assert sample.img_path == str(pairs.pairs.path(0))
    assert pairs[0]['inputs'].shape == (3, 32, 32)


def test_what_evaluates_does_not_train(gastric, tmp_path):
    root, split = gastric
    with pytest.raises(ConfigError, match="'val' evaluates, nothing may be trained on it"):
        PatchGastricPairs(str(root), 'val', pipeline=PIPELINE)
    held_out = PatchGastricPairs(str(root), 'val', pipeline=PIPELINE, test_mode=True)
    assert set(held_out.pairs.slides.tolist()) == slides(split, 'val')
    lines = [
        f'{root}/patches_captions/g0n0_{p}.jpg,red,{s}' for p, s in (('a', 'train'), ('b', 'val'))
    ]
    (tmp_path / 'pairs.csv').write_text('\n'.join(['file,caption,split', *lines]) + '\n')
    with pytest.raises(ConfigError, match="'val' evaluates"):
        PairDataset(str(tmp_path / 'pairs.csv'), split='val', pipeline=PIPELINE)
    for options in ({'split': 'train'}, {'split': 'val', 'test_mode': True}):
        assert len(PairDataset(str(tmp_path / 'pairs.csv'), pipeline=PIPELINE, **options)) == 1
    with pytest.raises(DataError, match="no part 'train_7'"):
        PatchGastricPairs(str(root), 'train_7')


def test_grades_are_masked_in_texts_and_groups(gastric):
    root, _ = gastric
    plain, masked = (
        PatchGastricPairs(str(root), pipeline=PIPELINE, mask_grades=mask) for mask in (False, True)
    )
    captions = {masked[row]['data_samples'].caption for row in range(len(masked))}
    assert not any('differentiated' in caption for caption in captions)
    assert len(set(masked.pairs.groups.tolist())) == len(captions)
    assert len(captions) < len(set(plain.pairs.groups.tolist()))


def test_patches_per_slide_are_the_first_by_name(gastric):
    root, _ = gastric
    whole, some = (
        PatchGastricPairs(str(root), patches_per_slide=count, pipeline=PIPELINE).pairs
        for count in (None, 3)
    )
    for slide in set(whole.slides.tolist()):
        files = sorted(whole.files[whole.slides == slide].tolist())
        assert some.files[some.slides == slide].tolist() == files[:3]


@pytest.fixture
def uneven(tmp_path):
    """Five patches of one text, two and one of others."""
    lines = ['file,caption']
    for number, text in enumerate('aaaaabbc'):
        Image.new('RGB', (32, 32)).save(tmp_path / f'{number}.png')
        lines.append(f'{number}.png,One {text}. Two. Three. Four.')
    (tmp_path / 'pairs.csv').write_text('\n'.join(lines) + '\n')

    def make(**options):
        return PairDataset('pairs.csv', str(tmp_path), pipeline=PIPELINE, **options)

    return make


def drawn(dataset, balance, count):
    sampler = PatchBatchSampler(PairSampler(dataset, 0, balance), batch_size=6)
    return [draw.index for i in range(count // 6) for draw in sampler.batch(i)]


def test_balance_by_text_draws_every_text_equally_often(uneven):
    pairs = uneven()
    rows = drawn(pairs, 'text', 120)
    assert Counter(pairs.pairs.captions[row][4] for row in rows) == {'a': 40, 'b': 40, 'c': 40}
    assert Counter(rows)[0] == 8  # and a text's patches in turn
    assert set(Counter(drawn(pairs, 'none', 48)).values()) == {6}
    with pytest.raises(ConfigError, match=r"balance must be one of .*'none', 'text'.*'slide'"):
        PairSampler(pairs, 0, 'slide')


def test_samplers_take_their_own_data(uneven, gastric):
    with pytest.raises(ConfigError, match="sampler 'PairSampler' needs pairs, found list"):
        PairSampler([], 0)


def test_sentences_are_drawn_in_training_only(uneven):
    whole = 'One a. Two. Three. Four.'
    train_, again, test_ = (
        uneven(sentences='sample', seed=3, test_mode=mode) for mode in (False, False, True)
    )
    captions = [train_[Draw(0, number)]['data_samples'].caption for number in range(12)]
    assert captions == [again[Draw(0, number)]['data_samples'].caption for number in range(12)]
    assert len(set(captions)) > 6
    assert {test_[Draw(0, number)]['data_samples'].caption for number in range(12)} == {whole}
    assert {uneven()[Draw(0, number)]['data_samples'].caption for number in range(12)} == {whole}


def test_a_run_on_patchgastric_names_its_split(gastric, tiny_pair, tmp_path):
    from cite.encoders.pair_file import read_pair_info

    root, split = gastric
    cfg = tiny_pair({'train_cfg.max_iters': 1})
    cfg.data_root, cfg.test_dataloader = str(root), None
    cfg.train_dataloader.dataset = {'type': 'PatchGastricPairs', 'part': 'train_1'}
    cfg.train_dataloader.sampler = {'type': 'PairSampler', 'balance': 'text'}
    cfg.val_dataloader.dataset = {'type': 'PatchGastricPairs', 'part': 'val'}
    cfg.model.text = {'model': 'random-bert-tiny', 'pooling': 'mean'}
    train(cfg)
    data = read_pair_info(tmp_path / 'run' / 'pair.safetensors').training['data']
    assert [data[name]['part'] for name in ('train', 'val')] == ['train_1', 'val']
    assert {about['split_hash'] for about in data.values()} == {split.hash}


def test_evaluation_on_shards_is_for_one_process(monkeypatch, tmp_path):
    monkeypatch.setattr('cite.mm.contrast.data.get_dist_info', lambda: (0, 2))
    with pytest.raises(ConfigError, match='PairShards evaluates in one process only'):
        PairShards('pairs.tar', str(tmp_path), test_mode=True)
