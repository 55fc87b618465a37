"""Every kind of slide is read alike: sizes, levels, resolution, pixels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from dicom_slide import write_dicom
from drawn_pyramids import shrunk, texture, write_levels, write_ome

from cite.errors import DataError
from cite.slides.readers import Level, open_slide
from cite.slides.readers import tiff as tiff_module
from cite.slides.readers.base import plausible_mpp, settle_downsample
from cite.slides.readers.dicom import DicomReader
from cite.slides.readers.openslide import OpenSlideReader, on_white
from cite.slides.readers.tiff import TiffReader

PICTURE = texture(640, 512)


def regions_of(slide, level: int, picture) -> None:
    """Regions inside, over every edge, and beside the level are the picture's, and white."""
    down = slide.levels[level].downsample
    height, width = picture.shape[:2]
    page = np.full((height + 100, width + 100, 3), 255, np.uint8)
    page[50:-50, 50:-50] = picture
    for left, top in [(0, 0), (33, 21), (-20, -9), (width - 30, height - 25), (width + 2, 0)]:
        found = slide.read(left * down, top * down, level, 40, 30)
        np.testing.assert_array_equal(found, page[top + 50 : top + 80, left + 50 : left + 90])


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
def test_pyramids(tmp_path, reader):
    path = tmp_path / 'a slide, ütf-8 名.tif'
    levels = write_levels(path, PICTURE, (1, 2, 4), mpp=(0.25, 0.3))
    with reader(path) as slide:
        assert slide.size == (640, 512)
        assert slide.levels == (Level(640, 512, 1), Level(320, 256, 2), Level(160, 128, 4))
        assert slide.mpp == pytest.approx((0.25, 0.3))
        for number, level in enumerate(levels):
            regions_of(slide, number, level)


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
def test_regions_begin_at_the_nearest_pixel_of_their_level(tmp_path, reader):
    """OpenSlide would interpolate between pixels, tiffslide round down."""
    levels = write_levels(tmp_path / 'a.tif', PICTURE, (1, 4))
    with reader(tmp_path / 'a.tif') as slide:
        for x, left in [(41, 10), (43, 11), (44, 11), (45.9, 11), (46.1, 12)]:
            found = slide.read(x, 0, 1, 20, 20)
            np.testing.assert_array_equal(found, levels[1][:20, left : left + 20])


@pytest.mark.parametrize(
    ('physical', 'mpp'),
    [
        ({'PhysicalSizeX': 0.4, 'PhysicalSizeY': 0.5}, (0.4, 0.5)),
        (
            dict(
                PhysicalSizeX=250.0,
                PhysicalSizeXUnit='nm',
                PhysicalSizeY=0.00025,
                PhysicalSizeYUnit='mm',
            ),
            (0.25, 0.25),
        ),
        ({'PhysicalSizeX': 353.0, 'PhysicalSizeY': 353.0}, None),
        ({'PhysicalSizeX': 0.5}, None),
        ({'PhysicalSizeX': 1, 'PhysicalSizeXUnit': 'pixel', 'PhysicalSizeY': 1}, None),
        ({}, None),
    ],
)
def test_ome_tiff(tmp_path, physical, mpp):
    levels = write_ome(tmp_path / 'a.ome.tif', PICTURE, (1, 2, 4), **physical)
    with open_slide(tmp_path / 'a.ome.tif') as slide:
        assert isinstance(slide, TiffReader)
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp))
        for number, level in enumerate(levels):
            regions_of(slide, number, level)


def test_dicom_by_file_and_by_folder(tmp_path):
    paths = write_dicom(tmp_path / 'instances', PICTURE, (1, 4))
    for path, kind in [(paths[0], OpenSlideReader), (paths[0].parent, DicomReader)]:
        with open_slide(path) as slide:
            assert isinstance(slide, kind)
            assert slide.vendor == 'dicom'
            assert slide.levels == (Level(640, 512, 1), Level(160, 128, 4))
            assert slide.mpp == pytest.approx((0.5, 0.5))
            regions_of(slide, 0, PICTURE)
            regions_of(slide, 1, shrunk(PICTURE, 4))


@pytest.mark.parametrize('rows', [16, 512])
def test_strips_are_read_too(tmp_path, rows):
    """No scanner writes them, but image programs do."""
    tifffile.imwrite(
        tmp_path / 'a.tif',
        PICTURE,
        rowsperstrip=rows,
        photometric='rgb',
        resolution=(20000, 20000),
        resolutionunit='CENTIMETER',
    )
    with open_slide(tmp_path / 'a.tif') as slide:
        assert isinstance(slide, TiffReader) and slide.mpp == pytest.approx((0.5, 0.5))
        regions_of(slide, 0, PICTURE)


def test_large_strips_are_held_once_or_refused(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / 'a.tif', PICTURE, rowsperstrip=512, photometric='rgb')
    monkeypatch.setattr(tiff_module, 'LARGE_SEGMENT', 100_000)
    with open_slide(tmp_path / 'a.tif') as slide:
        decoded = []
        monkeypatch.setattr(
            slide, '_decoded', lambda *a, real=slide._decoded: decoded.append(a) or real(*a)
        )
        regions_of(slide, 0, PICTURE)
        assert decoded == [(0, 0, 0, 640, 512)]
    monkeypatch.setattr(tiff_module, 'HELD', 200_000)
    with pytest.raises(DataError, match=r'in pieces of 640 x 512.*vips tiffsave a\.tif'):
        open_slide(tmp_path / 'a.tif')


@pytest.mark.parametrize(
    ('kind', 'told'),
    [
        ('grey', '1 channel of 8 bits'),
        ('grey16', '1 channel of 16 bits'),
        ('rgb16', '3 channels of 16 bits'),
        ('float', '1 channel of 32 bits'),
    ],
)
@pytest.mark.parametrize('name', ['a.tif', 'a.ome.tiff'])
def test_what_is_no_8_bit_rgb_is_refused(tmp_path, kind, told, name):
    """OpenSlide would show any of them as RGB."""
    pixels = {
        'grey': PICTURE[..., 0],
        'grey16': PICTURE[..., 0].astype(np.uint16) * 200,
        'rgb16': PICTURE.astype(np.uint16) * 200,
        'float': PICTURE[..., 0].astype(np.float32),
    }[kind]
    rgb = 'rgb' if pixels.ndim == 3 else 'minisblack'
    tifffile.imwrite(tmp_path / name, pixels, tile=(256, 256), photometric=rgb)
    with pytest.raises(DataError, match=f'expected 8-bit RGB, found {told}'):
        open_slide(tmp_path / name)


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
def test_tiles_that_were_not_scanned_are_white(tmp_path, reader):
    write_levels(tmp_path / 'a.tif', PICTURE)
    with tifffile.TiffFile(tmp_path / 'a.tif', mode='r+') as file:
        tags = file.pages[0].tags
        for tag in (324, 325):  # of the second tile
            values = list(tags[tag].value)
            values[1] = 0
            tags[tag].overwrite(values)
    with reader(tmp_path / 'a.tif') as slide:
        white = PICTURE.copy()
        white[:256, 256:512] = 255
        np.testing.assert_array_equal(slide.read(0, 0, 0, 640, 512), white)
        np.testing.assert_array_equal(slide.read(250, 240, 0, 300, 60), white[240:300, 250:550])


@pytest.mark.parametrize('kind', ['openslide', 'tiff', 'dicom'])
def test_threads_read_what_one_reads(tmp_path, kind):
    write_levels(tmp_path / 'a.tif', PICTURE, (1, 2), tile=64, compression='jpeg')
    opener = {
        'openslide': lambda: OpenSlideReader(tmp_path / 'a.tif'),
        'tiff': lambda: TiffReader(tmp_path / 'a.tif'),
        'dicom': lambda: DicomReader(write_dicom(tmp_path / 'd', PICTURE)[0].parent),
    }[kind]
    with opener() as slide, ThreadPoolExecutor(8) as pool:
        places = [(x * 37 % 600, x * 53 % 480, x % 2) for x in range(120)]

        def read(place):
            return slide.read(*place, 70, 50)

        alone = [read(place) for place in places]
        for one, other in zip(alone, pool.map(read, places), strict=True):
            np.testing.assert_array_equal(one, other)


def test_links_are_followed_and_broken_ones_named(tmp_path):
    (tmp_path / 'real').mkdir()
    write_levels(tmp_path / 'real' / 'a.tif', PICTURE)
    (tmp_path / 'link.tif').symlink_to(tmp_path / 'real' / 'a.tif')
    with open_slide(tmp_path / 'link.tif') as slide:
        regions_of(slide, 0, PICTURE)
    (tmp_path / 'broken.tif').symlink_to(tmp_path / 'gone.tif')
    with pytest.raises(DataError, match=r'broken\.tif: no such file \(a link to .*gone\.tif'):
        open_slide(tmp_path / 'broken.tif')


def test_regions_have_a_size_that_can_be_held(tmp_path):
    write_levels(tmp_path / 'a.tif', PICTURE)
    with open_slide(tmp_path / 'a.tif') as slide:
        for size in [(0, 5), (5, -1), (2**14, 2**14)]:
            with pytest.raises(DataError, match='a region of'):
                slide.read(0, 0, 0, *size)


def test_half_transparent_pixels_lie_on_white():
    rgba = np.array([[[100, 0, 200, 255], [100, 0, 200, 0], [100, 0, 200, 51]]], np.uint8)
    assert on_white(rgba)[0].tolist() == [[100, 0, 200], [255, 255, 255], [224, 204, 244]]


@pytest.mark.parametrize(
    ('values', 'wanted'),
    [
        ((0.25, 0.25), (0.25, 0.25)),
        ((0, 0), None),
        ((352.8, 352.8), None),
        ((None, 0.5), None),
        ((float('nan'), 0.5), None),
    ],
)
def test_resolutions_that_cannot_be_meant(values, wanted):
    assert plausible_mpp(*values) == wanted


def test_downsampling_is_whole_where_sizes_say_so():
    assert settle_downsample((1300, 1100), (82, 69), 15.898) == 16
    assert settle_downsample((46000, 32914), (11500, 8228), 4.00012) == 4
    assert settle_downsample((900, 600), (300, 200), 3.0) == 3
    assert settle_downsample((1301, 1097), (482, 406), 2.7006) == 2.7006
    assert settle_downsample((640, 512), (640, 512), 1.0) == 1


def test_real_slides(real_data):
    with open_slide(real_data('slides/cmu-1-small-region.svs')) as slide:
        assert slide.vendor == 'aperio' and slide.mpp == pytest.approx((0.499, 0.499))
        other = TiffReader(slide.path)
        assert other.levels == slide.levels and other.mpp == pytest.approx(slide.mpp)
        for x, y in [(0, 0), (700, 900), (1900, 2700)]:
            one, two = (each.read(x, y, 0, 400, 300).astype(int) for each in (slide, other))
            assert np.abs(one - two).max() <= 2
    with open_slide(real_data('slides/tcga-cr-7395-01a-01-ts1.svs')) as slide:
        assert slide.mpp is None and len(slide.levels) == 2
