"""The package as it is built, its pins and its commands."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SETUP = runpy.run_path(str(ROOT / 'setup.py'))
PINS = [
    Requirement(line)
    for line in (ROOT / 'constraints.txt').read_text(encoding='utf-8').splitlines()
    if line and not line.startswith('#')
]
REQUIREMENTS = [
    Requirement(line)
    for group in [SETUP['REQUIREMENTS'], *SETUP['EXTRAS'].values()]
    for line in group
]
UNTESTED = {'wandb', 'mlflow', 'comet_ml'}


@pytest.mark.parametrize('requirement', REQUIREMENTS, ids=lambda requirement: requirement.name)
@pytest.mark.parametrize('python', ['3.10', '3.11', '3.13'])
def test_one_pin_within_the_range(requirement: Requirement, python: str) -> None:
    pins = [
        pin
        for pin in PINS
        if canonicalize_name(pin.name) == canonicalize_name(requirement.name)
        and (pin.marker is None or pin.marker.evaluate({'python_version': python}))
    ]
    if requirement.name in UNTESTED:
        assert not pins
        return
    assert len(pins) == 1
    (specifier,) = pins[0].specifier
    assert specifier.operator == '=='
    assert '+' not in specifier.version, 'a local build would shut out the wheels of the other kind'
    assert requirement.specifier.contains(specifier.version)


def files_below(folder: str, *patterns: str) -> set[str]:
    paths = [path for pattern in patterns for path in (ROOT / folder).rglob(pattern)]
    return {path.relative_to(ROOT).as_posix() for path in paths}


def test_wheel_holds_code_and_configs_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / 'source'  # a build leaves files beside setup.py
    source.mkdir()
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    for name in ('cite', 'configs', 'tests', 'tools'):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
    command = [
        'wheel',
        '--no-deps',
        '--no-build-isolation',
        '--no-index',
        '--quiet',
        '-w',
        '.',
        source,
    ]
    subprocess.run([sys.executable, '-m', 'pip', *command], cwd=tmp_path, check=True)

    (wheel,) = tmp_path.glob('*.whl')
    assert wheel.name.startswith(f'cite_pathology-{SETUP["read_version"]()}-')
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith('.dist-info/entry_points.txt'))
        assert 'cite = cite.cli:main' in archive.read(metadata).decode()
    code = files_below('cite', '*.py', '*.txt', '*.json', '*.safetensors', '*.md')
    configs = {f'cite/{name}' for name in files_below('configs', '*.py')}
    assert code and configs
    assert sorted((code | configs) - names) == []
    assert {name.split('/')[0] for name in names if '.dist-info/' not in name} == {'cite'}


def test_help_lists_the_targets_of_the_makefile() -> None:
    listed = subprocess.run(
        ['make', 'help'], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    targets = re.findall(r'^  make (\w+) ', listed, re.MULTILINE)
    assert {'quickstart', 'test', 'lint', 'clean', 'help'} <= set(targets)
    for target in targets:
        subprocess.run(['make', '-n', target], cwd=ROOT, check=True, capture_output=True)


def test_scripts_that_the_commands_run_are_there() -> None:
    for script in re.findall(r'\b(tools/\w+\.(?:py|sh))', (ROOT / 'Makefile').read_text()):
        assert (ROOT / script).is_file(), script


def test_citation_has_the_version_of_the_package() -> None:
    text = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
    assert re.findall(r'^version: (.+)$', text, re.MULTILINE) == [SETUP['read_version']()]
