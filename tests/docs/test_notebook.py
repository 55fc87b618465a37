"""The notebook runs as it stands, and what it shows is of such a run."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
from repo import REPO

NOTEBOOKS = sorted((REPO / 'docs' / 'notebooks').glob('*.ipynb'))


def cells(path, kind='code'):
    return [cell for cell in json.loads(path.read_text())['cells'] if cell['cell_type'] == kind]


def text_of(outputs):
    parts = []
    for output in outputs:
        parts += output.get('text', [])
        parts += output.get('data', {}).get('text/plain', [])
    return ''.join(parts)


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('notebook_tool', REPO / 'tools' / 'notebook.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_one():
    assert NOTEBOOKS


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.name)
def test_it_is_stored_with_what_it_shows(path):
    shown = [cell for cell in cells(path) if cell['outputs']]
    assert len(shown) >= len(cells(path)) / 2
    assert all(cell['execution_count'] for cell in cells(path))
    told = ''.join(text_of(cell['outputs']) for cell in shown)
    assert 'Traceback' not in told and 'error: ' not in told
    assert not re.search(r'(/tmp/|/home/|/root/|/Users/)', told)  # of the machine that ran it
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    text = ''.join(''.join(cell['source']) for cell in cells(path, 'markdown'))
    for link in re.findall(r'\]\(([^)#]+)\)', text):
        assert (path.parent / link).exists(), link


def test_a_command_that_failed_is_noticed(tool):
    stream = {'output_type': 'stream', 'text': 'cite probe: error: no such file\n'}
    notebook = type('Notebook', (), {'cells': [{'outputs': [stream]}]})
    assert tool.failed_commands(notebook) == ['cite probe: error: no such file']


@pytest.mark.slow
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.name)
def test_it_runs(path, tool, tmp_path, monkeypatch):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    found = tool.run(path, tmp_path)
    assert tool.failed_commands(found) == []
    stored, ran = cells(path), [cell for cell in found.cells if cell.cell_type == 'code']
    for cell, again in zip(stored, ran, strict=True):
        # a cell that shows something still does
        assert bool(cell['outputs']) == bool(again.outputs), again.source
    # what the walk promises: adapting to the new words helps
    last = re.findall(r': (0\.\d+) of', text_of(ran[-1].outputs))
    before, after = map(float, last)
    assert after > before
