from __future__ import annotations

import io

import numpy as np
import pytest
from pictures import tissue
from PIL import Image

from cite.data.prepare.duplicates import blank_rows, duplicate_groups
from cite.data.prepare.fingerprint import fingerprint
from cite.data.prepare.scan import Scan

TURNS = list(Image.Transpose)


def scan_of(pictures):
    marks = [fingerprint(np.asarray(picture)) for picture in pictures]
    return Scan(
        bad=(),
        sizes=np.array([picture.size for picture in pictures]),
        digests=np.stack([np.frombuffer(mark.digest, np.uint8) for mark in marks]),
        grids=np.stack([mark.grid for mark in marks]),
        spreads=np.array([mark.spread for mark in marks]),
    )


def saved(picture, quality):
    out = io.BytesIO()
    picture.save(out, 'JPEG', quality=quality)
    return Image.open(out).convert('RGB')


@pytest.mark.parametrize('turn', TURNS, ids=lambda turn: turn.name)
def test_turned_and_saved_pictures_are_found_and_others_are_not(turn):
    pictures = [tissue(seed) for seed in range(12)]
    pictures += [pictures[3].transpose(turn), saved(pictures[7].transpose(turn), 70)]
    assert duplicate_groups(scan_of(pictures)) == [(3, 12), (7, 13)]


def test_the_order_of_rows_plays_no_part():
    pictures = [tissue(seed) for seed in range(6)]
    pictures += [saved(pictures[0], 80), pictures[0].transpose(TURNS[2]), pictures[4]]
    order = np.random.default_rng(0).permutation(9)
    groups = duplicate_groups(scan_of([pictures[i] for i in order]))
    assert sorted(sorted(int(order[i]) for i in group) for group in groups) == [[0, 6, 7], [4, 8]]


def test_other_cuts_and_angles_are_other_pictures():
    whole = tissue(0, 192)
    pictures = [
        whole.crop((0, 0, 96, 96)),
        whole.crop((24, 0, 120, 96)),
        whole.rotate(30, resample=Image.Resampling.BICUBIC).crop((48, 48, 144, 144)),
        whole.crop((48, 48, 144, 144)),
    ]
    assert duplicate_groups(scan_of(pictures)) == []


def test_blank_tiles_are_told_apart_and_never_joined():
    rng = np.random.default_rng(0)
    glass = [Image.fromarray(rng.integers(240, 246, (96, 96, 3), dtype=np.uint8)) for _ in range(4)]
    pictures = [*glass, Image.new('RGB', (96, 96), 'white'), Image.new('RGB', (96, 96), 'white')]
    pictures += [tissue(1), tissue(1)]
    scan = scan_of(pictures)
    assert blank_rows(scan).tolist() == [0, 1, 2, 3, 4, 5]
    assert duplicate_groups(scan) == [(6, 7)]


def test_even_tissue_is_joined_by_its_pixels_only():
    """Grain of one colour: its coarse means are nearly the same in every patch."""
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.normal((180, 120, 170), 12, (96, 96, 3)).clip(0, 255).astype(np.uint8))
        for _ in range(5)
    ]
    pictures.append(pictures[2].transpose(TURNS[0]))
    assert duplicate_groups(scan_of(pictures)) == [(2, 5)]


def test_rows_that_were_not_read_are_in_no_group():
    scan = scan_of([tissue(0), tissue(1), tissue(0)])
    scan.sizes[2] = 0
    assert duplicate_groups(scan) == [] and blank_rows(scan).tolist() == []


def test_real_tissue(real_data):
    """LC25000 has each tile again, turned by any angle; few of the copies are turned by 90 degrees."""
    known = {'lung_n/lungn4384.jpeg', 'lung_n/lungn4628.jpeg'}  # of one tile
    from cite.data import read_csv
    from cite.data.prepare.scan import scan_images

    path = real_data('lc25000_lung/manifest.csv')
    table = read_csv(path, columns={'slide': 'stain_cluster'})
    table = table.subset(
        [i for i, file in enumerate(table.files) if file.startswith('lung_n/lungn4')]
    )
    scan = scan_images(table, progress=False)
    (group,) = duplicate_groups(scan)
    assert set(table.files[list(group)]) == known
    row = 11
    turned = saved(Image.open(table.path(row)).transpose(TURNS[4]), 60)
    mark = fingerprint(np.asarray(turned))
    more = Scan(
        (),
        np.concatenate([scan.sizes, [turned.size]]),
        np.concatenate([scan.digests, np.frombuffer(mark.digest, np.uint8)[None]]),
        np.concatenate([scan.grids, mark.grid[None]]),
        np.append(scan.spreads, mark.spread),
    )
    assert duplicate_groups(more) == [(row, len(table)), group]
