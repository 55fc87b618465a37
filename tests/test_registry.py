from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from cite.errors import ConfigError
from cite.heads import HEADS
from cite.necks import NECKS
from cite.registry import Registry, check_options
from cite.tuning import TUNINGS

METHOD = """
from shapes.base import SHAPES

@SHAPES.register
class {name}:
    def __init__(self, side=1):
        self.side = side
"""


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """A room of its own: a package with a registry and one method."""
    folder = tmp_path / 'shapes'
    folder.mkdir()
    (folder / '__init__.py').write_text('')
    (folder / 'base.py').write_text(
        "from cite.registry import Registry\nSHAPES = Registry('shape', 'shapes')\n"
    )
    (folder / 'square.py').write_text(METHOD.format(name='Square'))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split('.')[0] == 'shapes']:
        del sys.modules[name]


def test_a_new_file_is_found_without_touching_another(shapes):
    (shapes / 'circle.py').write_text(METHOD.format(name='Circle'))
    from shapes.base import SHAPES

    assert SHAPES.build({'type': 'Circle', 'side': 3}).side == 3
    assert SHAPES.names() == ['Circle', 'Square']


def test_a_broken_file_fails_every_time(shapes):
    (shapes / 'circle.py').write_text('import no_such_module')
    from shapes.base import SHAPES

    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match='no_such_module'):
            SHAPES.names()


def test_two_classes_of_one_name(shapes):
    (shapes / 'other.py').write_text(METHOD.format(name='Square'))
    from shapes.base import SHAPES

    with pytest.raises(ConfigError, match='two shapes are called Square'):
        SHAPES.names()


def test_every_room_knows_its_methods():
    assert {'VisualPrompt', 'NoTuning', 'FullFineTuning'} <= set(TUNINGS.names())
    assert 'ProjectionNeck' in NECKS.names()
    assert {'TextEmbeddingHead', 'LinearHead', 'ZeroShotHead'} <= set(HEADS.names())


@dataclass
class Disc:
    radius: float
    colour: str = 'red'


@pytest.fixture
def discs():
    registry = Registry('disc', 'cite.tuning')
    registry.register(Disc)
    return registry


def test_builds_by_name_dict_class_and_passes_objects_through(discs):
    assert discs.build({'type': 'Disc', 'radius': 2}) == Disc(2)
    assert discs.build({'type': Disc, 'radius': 2}) == Disc(2)
    assert discs.build('Disc', radius=3) == Disc(3)
    ready = Disc(1)
    assert discs.build(ready) is ready
    spec = {'type': 'Disc', 'radius': 2}
    discs.build(spec)
    assert spec == {'type': 'Disc', 'radius': 2}


@pytest.mark.parametrize(
    ('spec', 'named'),
    [
        ({'type': 'Disk'}, "no disc called 'Disk'. Did you mean 'Disc'. Known: Disc"),
        ('Rhomboid', "no disc called 'Rhomboid'. Known: Disc"),
        ({'radius': 2}, 'needs a `type`.*Known: Disc'),
        ({'type': 7}, 'needs a `type`'),
        (3, 'needs a `type`, found 3'),
        (['Disc'], r"needs a `type`, found \['Disc'\]"),
        (None, 'needs a `type`, found None'),
        (
            {'type': 'Disc', 'radius': 1, 'color': 'b'},
            "no option 'color'; it takes: radius, colour",
        ),
        ({'type': 'Disc'}, "disc Disc needs the option 'radius'; it takes: radius, colour"),
    ],
)
def test_mistakes_are_named(discs, spec, named):
    with pytest.raises(ConfigError, match=named):
        discs.build(spec)


def test_functions_with_free_options_take_any():
    check_options('it', lambda a, **rest: a, {'a': 1, 'b': 2})
    check_options('it', lambda *a: a, {})
    with pytest.raises(ConfigError, match="it needs the option 'a'"):
        check_options('it', lambda a, **rest: a, {'b': 2})
