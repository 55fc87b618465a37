"""A whole report: its files, that they say the same each time, and studies that are not complete."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from drawn_study import draw_study

from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.studies.description import Study
from cite.studies.record import PREDICTIONS, RECORD
from cite.studies.report.content import NOTICE
from cite.studies.report.figures import pictures
from cite.studies.report.gather import gather
from cite.studies.report.write import write_report
from cite.studies.run_key import RunKey


class Page(HTMLParser):
    """Addresses, ids and unclosed tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.links, self.ids, self.open, self.scripts = [], [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.sources += [
            found[name] for name in ('src', 'srcset', 'data', 'poster') if name in found
        ]
        self.links += [found['href']] if 'href' in found else []
        self.ids += [found['id']] if 'id' in found else []
        self.scripts += tag == 'script'
        if tag not in ('meta', 'img', 'link', 'br'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def content(folder):
    return {
        path.name: path.read_bytes()
        for path in folder.rglob('*')
        if 'runs' not in path.parts and path.is_file()
    }


def test_the_same_folder_gives_the_same_bytes(reported, tmp_path):
    folder, _ = reported
    again = tmp_path / 'small'
    shutil.copytree(folder, again)
    write_report(again, progress=False)
    assert content(again) == content(folder)


def test_files_are_all_there(reported):
    folder, files = reported
    listed = {files.html, files.markdown, *files.tables, *files.figures, folder / 'study.json'}
    assert {
        path for path in folder.rglob('*') if path.is_file() and 'runs' not in path.parts
    } == listed
    assert (files.done, files.planned) == (18, 18)


def test_html_stands_by_itself(reported):
    folder, files = reported
    text = files.html.read_text(encoding='utf-8')
    page = Page(text)
    assert not page.open
    assert len(page.sources) == len(files.figures)
    assert all(source.startswith('data:image/png;base64,') for source in page.sources)
    assert all(link[0] == '#' and link[1:] in page.ids for link in page.links)
    assert not re.search(r'@import|url\(|https?://', text)
    # a name of a method is no markup
    assert page.scripts == 1
    assert NOTICE in text
    assert Study.load(folder).digest in text


def test_markdown_links_lead_somewhere(reported):
    folder, files = reported
    text = files.markdown.read_text(encoding='utf-8')
    linked = re.findall(r'!\[[^]]*\]\(([^)]*)\)', text)
    assert {folder / path for path in linked} == set(files.figures)
    headings = [line[3:] for line in text.splitlines() if line.startswith('## ')]
    assert re.findall(r'^- \[(.*)\]\(#', text, re.MULTILINE) == headings
    assert '<script>' not in text.replace('\\<script\\>', '')
    assert NOTICE in text


def test_what_is_not_done_is_named(reported, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'PICTURES', ())
    folder = tmp_path / 'part'
    shutil.copytree(reported[0], folder)
    failed, waiting, damaged = (RunKey('cite', '4', split, 0).folder(folder) for split in range(3))
    record = json.loads((failed / RECORD).read_text())
    (failed / RECORD).write_text(
        json.dumps({**record, 'state': 'failed', 'error': 'out of\nmemory'})
    )
    shutil.rmtree(waiting)
    (damaged / PREDICTIONS).write_bytes(b'PAR1')
    files = write_report(folder, progress=False)
    assert (files.done, files.planned) == (15, 18)
    text = files.markdown.read_text(encoding='utf-8')
    assert '15 of 18 runs' in text
    for part in (
        'cite/k4-s0-t0 | failed | out of memory',
        'cite/k4-s1-t0 | waiting',
        'k4-s2-t0 | failed',
    ):
        assert part in text.replace('\\', '')
    assert any(
        line.startswith('3 of 18 runs have no result (2 failed, 1 not done)')
        for line in files.warnings
    )


def test_without_a_run_there_is_nothing_to_report(tmp_path):
    folder = tmp_path / 'none'
    folder.mkdir()
    draw_study(folder, {'cite': 1.0}, ('1',), split_seeds=1, slides_per_class=2)
    shutil.rmtree(folder / 'runs')
    with pytest.raises(DataError, match='none of 1 runs is done'):
        write_report(folder, progress=False)


def test_runs_of_different_evaluation_sets_are_refused(tmp_path):
    folder = tmp_path / 'two'
    folder.mkdir()
    study = draw_study(folder, {'cite': 1.0}, ('1',), split_seeds=2, slides_per_class=3)
    path = study.runs()[1].folder(folder) / PREDICTIONS
    found = Predictions.from_parquet(path)
    other = Predictions(
        [f'other/{file}' for file in found.files],
        found.labels,
        found.probabilities,
        found.slides,
        found.classes,
    )
    other.to_parquet(path)
    with pytest.raises(DataError, match='cite/k1-s1-t0 was tested on other patches'):
        gather(folder, progress=False)


def test_order_of_rows_is_of_no_consequence(tmp_path):
    folder = tmp_path / 'order'
    folder.mkdir()
    study = draw_study(folder, {'cite': 1.0}, ('2',), split_seeds=2, slides_per_class=3)
    before = gather(folder, progress=False)
    path = study.runs()[1].folder(folder) / PREDICTIONS
    found = Predictions.from_parquet(path)
    rows = np.random.default_rng(0).permutation(len(found))
    Predictions(
        [found.files[row] for row in rows],
        found.labels[rows],
        found.probabilities[rows],
        [found.slides[row] for row in rows],
        found.classes,
    ).to_parquet(path)
    after = gather(folder, progress=False)
    assert [run.metrics for run in after.runs] == [run.metrics for run in before.runs]


def test_text_for_a_terminal(reported):
    _, files = reported
    lines = files.text.splitlines()
    assert lines[0] == 'small: 18 of 18 runs done'
    assert lines[-1] == f'report: {files.html}'
    head = next(line for line in lines if line.startswith('method'))
    row = next(line for line in lines if line.startswith('cite'))
    assert len(head) == len(row)
    shown = ''.join(line[2:] for line in lines[lines.index('warnings:') + 1 : -2])
    assert ''.join(shown.split()) == ''.join(''.join(files.warnings).split())
