"""Files that name other files: what lies there is not shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from drawn_pyramids import texture, write_ome

from cite.errors import DataError
from cite.slides.readers import open_slide
from cite.slides.readers.openslide import OpenSlideReader
from cite.slides.readers.tiff import TiffReader

SIDE = 256
XML = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    '{root}><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
    'SizeX="256" SizeY="256" SizeC="3" SizeZ="1" SizeT="1"><Channel ID="Channel:0:0" '
    'SamplesPerPixel="3"/><TiffData IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{uuid}</UUID>'
    '</TiffData></Pixels></Image></OME>'
)


def ome_naming(path: Path, name: str, uuid: str = 'other', root: str = '') -> np.ndarray:
    """An OME-TIFF, longer than what it names, so that offsets of the other fit into it."""
    own = np.full((SIDE, SIDE, 3), 200, np.uint8)
    tifffile.imwrite(
        path,
        own,
        tile=(64, 64),
        photometric='rgb',
        metadata=None,
        description=XML.format(name=name, uuid=uuid, root=root).encode(),
    )
    with path.open('ab') as file:
        file.write(bytes(2**20))
    return own


@pytest.fixture
def secret(tmp_path):
    (tmp_path / 'private').mkdir()
    path = tmp_path / 'private' / 'secret.tif'
    pixels = texture(SIDE, SIDE)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric='rgb', metadata=None)
    return path


@pytest.mark.filterwarnings('ignore:.*reading array from closed file')
@pytest.mark.parametrize('suffix', ['.ome.tif', '.ome.tiff', '.tif', '.svs'])
@pytest.mark.parametrize('how', ['absolute', 'relative'])
def test_an_ome_tiff_that_names_another_file_is_refused(tmp_path, secret, how, suffix):
    (tmp_path / 'uploads').mkdir()
    path = tmp_path / 'uploads' / f'mine{suffix}'
    ome_naming(path, str(secret) if how == 'absolute' else '../private/secret.tif')
    with tifffile.TiffFile(path) as file:  # what is guarded against is there
        np.testing.assert_array_equal(file.series[0].asarray(), tifffile.imread(secret))
    with pytest.raises(DataError, match=r'pixels lie in another file, .*secret\.tif'):
        open_slide(path)


def test_the_reader_itself_reads_no_other_file(tmp_path, secret):
    own = ome_naming(tmp_path / 'mine.ome.tif', str(secret))
    with TiffReader(tmp_path / 'mine.ome.tif') as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 0, SIDE, SIDE), own)


def test_pages_of_another_file_are_refused_whatever_led_there(tmp_path, secret, monkeypatch):
    from cite.slides.readers import tiff

    monkeypatch.setattr(tiff, 'ONE_FILE', {})
    ome_naming(tmp_path / 'mine.ome.tif', str(secret))
    with pytest.raises(DataError, match='pixels lie in other files'):
        TiffReader(tmp_path / 'mine.ome.tif')


@pytest.mark.parametrize(
    ('name', 'root'), [('Mine.ome.tif', ''), ('former.ome.tif', ' UUID="urn:uuid:other"')]
)
def test_an_ome_tiff_that_names_itself_is_read(tmp_path, name, root):
    own = ome_naming(tmp_path / 'mine.ome.tif', name, root=root)
    with open_slide(tmp_path / 'mine.ome.tif') as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 0, SIDE, SIDE), own)


def test_levels_in_sub_pages_are_still_read(tmp_path):
    levels = write_ome(tmp_path / 'a.ome.tif', texture(512, 512))
    with open_slide(tmp_path / 'a.ome.tif') as slide:
        assert [level.width for level in slide.levels] == [512, 256, 128]
        np.testing.assert_array_equal(slide.read(0, 0, 1, 256, 256), levels[1])


@pytest.mark.parametrize(
    'group', ['Virtual Microscope Specimen', 'Uncompressed Virtual Microscope Specimen']
)
@pytest.mark.parametrize('name', ['a.svs', 'a.mrxs', 'a.tif', 'a'])
def test_an_index_by_another_name_is_refused_before_it_is_followed(tmp_path, name, group):
    keys = 'NoLayers=1\nNoJpegColumns=1\nNoJpegRows=1\nImageFile=../private/a\nMacroImage=../private/m\n'
    more = 'MapFile=../private/map\nOptimisationFile=o\nBitsPerPixel=36\nPixelOrder=RGB\n'
    (tmp_path / name).write_text(f'[{group}]\n{keys}{more}')
    with pytest.raises(DataError, match='names others'):
        OpenSlideReader(tmp_path / name)
    with pytest.raises(DataError, match='names others'):
        open_slide(tmp_path / name)
