"""Every command in the documentation: parsed and resolved, and what needs no hub is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from repo import REPO

from cite.cli import build_parser
from cite.paths import find_config

PAGES = [REPO / 'README.md', REPO / 'CONTRIBUTING.md', *sorted((REPO / 'docs').glob('*.md'))]


def blocks(page, language):
    return re.findall(rf'^```{language}\n(.*?)^```', page.read_text('utf-8'), re.M | re.S)


def commands(page):
    for block in blocks(page, 'sh'):
        for line in block.replace('\\\n', ' ').splitlines():
            if line.strip():
                yield shlex.split(line, comments=True)


ALL = [(page.name, words) for page in PAGES for words in commands(page)]


def options_of(words):
    """The KEY=VALUE words behind --cfg-options, as mmengine reads them."""
    from mmengine.config import DictAction

    if '--cfg-options' not in words:
        return {}
    pairs = [w for w in words[words.index('--cfg-options') + 1 :] if '=' in w]
    return {k: DictAction._parse_iterable(v) for k, v in (pair.split('=', 1) for pair in pairs)}


def check_config(name, words, tmp_path):
    from cite.mm.launch import load_config, runner_of

    cfg = load_config(find_config(name), str(tmp_path), options_of(words))
    runner_of(cfg).complete(cfg, 'cpu')


def check_study(args, tmp_path):
    from cite.cli.fewshot import study_of_arguments
    from cite.studies.options import config_with

    for method in study_of_arguments(args).methods:
        if method.baseline is None:
            config_with(method.config, method.options, tmp_path, 0)


@pytest.mark.parametrize(('page', 'words'), ALL, ids=lambda v: v if isinstance(v, str) else v[0])
def test_every_command_is_one(page, words, tmp_path):
    program, *arguments = words
    if program == 'cite':
        args = build_parser().parse_args(arguments)
        if args.verb in ('train', 'test', 'baseline'):
            check_config(args.config, arguments, tmp_path)
        if args.verb == 'fewshot' and not (args.status or args.report):
            check_study(args, tmp_path)
    elif program == 'torchrun':
        i = arguments.index('cite')
        assert arguments[i - 1] == '-m'
        build_parser().parse_args(arguments[i + 1 :])
    elif program == 'mim':
        verb, package, config, *_ = arguments
        assert (verb in ('train', 'test'), package) == (True, 'mmpretrain')
        assert (REPO / config).is_file()
        check_config(config, arguments, tmp_path)
    elif program == 'make':
        target = next(a for a in arguments if '=' not in a)
        assert re.search(rf'^{target}:', (REPO / 'Makefile').read_text('utf-8'), re.M)
    elif program == 'python':
        assert (REPO / arguments[0]).is_file()
    else:
        assert program in ('pip', 'git', 'cd', '.'), f'{page}: who runs {program}?'


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)#:]+)\)', page.read_text('utf-8')):
        assert (page.parent / target).exists(), target


@pytest.fixture(scope='module')
def quickstart(tmp_path_factory):
    """The folder after a small `make quickstart`, without the installation."""
    folder = tmp_path_factory.mktemp('quickstart')
    (folder / 'configs').symlink_to(REPO / 'configs')
    size = ['--iterations', '20', '--slides-per-class', '40', '--patches-per-slide', '1']
    done = run([sys.executable, str(REPO / 'tools' / 'quickstart.py'), *size], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder, done.stdout
    shutil.rmtree(folder)


def run(words, folder):
    environment = {**os.environ, 'CITE_CACHE': str(folder / 'cache'), 'PYTHONPATH': str(REPO)}
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_the_quickstart_says_what_it_is_and_leaves_its_files(quickstart):
    folder, shown = quickstart
    assert (
        'drawn by a program' in shown and 'balanced accuracy' in shown and 'slide (n=96)' in shown
    )
    for name in ('report.png', 'adapter.safetensors', 'MODEL_CARD.md', 'results.json', 'config.py'):
        assert (folder / 'work_dirs' / 'quickstart' / name).stat().st_size > 0
    assert (folder / 'work_dirs/quickstart/report.png').read_bytes()[:4] == b'\x89PNG'


@pytest.mark.slow
def test_what_the_readme_does_next_works_as_written(quickstart):
    folder, _ = quickstart
    readme = REPO / 'README.md'
    block = next(b for b in blocks(readme, 'sh') if b.startswith('cite report'))
    for line in block.splitlines():
        words = shlex.split(line)
        done = run([sys.executable, '-m', *words], folder)
        assert done.returncode == 0, f'{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}'
    assert (folder / 'scores.csv').is_file()
    assert (folder / 'work_dirs/deep/iter_30.pth').is_file()
    for script in blocks(readme, 'python'):
        done = run([sys.executable, '-c', script], folder)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_python_recipe_works_as_written(quickstart):
    folder, _ = quickstart
    page = REPO / 'docs' / 'recipes.md'
    script = next(b for b in blocks(page, 'python') if 'mm.launch' in b)
    done = run([sys.executable, '-c', script], folder)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / 'work_dirs/python/results.json').is_file()
