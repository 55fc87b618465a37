"""Imports run one way, and mmengine stays in its room (see ARCHITECTURE.md)."""

from __future__ import annotations

import ast

import pytest
from repo import REPO

# from the ground up; a module may import from its own layer and from those before it
LAYERS = (
    ('errors', 'paths'),
    (
        'registry',
        'former_names',
        'atomic',
        'attention',
        'cache_limit',
        'frozen',
        'precision',
        'state',
    ),
    ('images',),
    # the bases of these name each other: a tower holds a tuning, a tuning acts in a tower; a tower encodes
    # images by the loop of inference, whose records say what a tower's card does
    ('encoders', 'tuning', 'inference'),
    ('data', 'evaluation', 'anchors'),
    ('statistics', 'pages'),
    ('necks', 'heads', 'legacy', 'baselines', 'contrast', 'prefix'),
    ('classifier',),
    ('adapter',),
    ('model_card', 'experiments', 'migrate'),
    ('serving', 'mm'),
    ('attribution', 'probing', 'retrieval', 'slides'),
    ('zeroshot', 'quality'),
    ('studies', 'demo'),
    ('cli', '__main__'),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted((REPO / 'cite').rglob('*.py'))


def room_of(parts):
    return parts[1].removesuffix('.py') if len(parts) > 1 else ''


def runtime_imports(tree):
    """Modules that a file imports, except under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, 'id', '') == 'TYPE_CHECKING':
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        yield from runtime_imports(node)


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(REPO)))
def test_imports_run_one_way(path):
    parts = path.relative_to(REPO).parts
    room = room_of(parts)
    if room == '__init__':  # `cite` itself offers names of every room, lazily
        return
    for module in runtime_imports(ast.parse(path.read_text(encoding='utf-8'))):
        top = module.partition('.')[0]
        if top in ('mmengine', 'mmpretrain', 'mmcv'):
            assert room in ('mm', 'cli'), f'{module} belongs in cite/mm'
        if top == 'cite' and module != 'cite':
            wanted = module.split('.')[1]
            assert wanted in LEVEL, f'cite.{wanted} has no place in LAYERS'
            assert LEVEL[wanted] <= LEVEL[room], f'{room} imports {module}, which lies above it'


def test_every_room_has_a_place():
    rooms = {room_of(path.relative_to(REPO).parts) for path in FILES} - {'__init__'}
    assert rooms == set(LEVEL)


def test_no_file_is_long():
    long = {str(p): n for p in FILES if (n := len(p.read_text().splitlines())) > 300}
    assert not long
