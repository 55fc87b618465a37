"""`cite doctor`: what this installation has, what a config or a model needs, and what of it goes wrong."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cite.cli.finding import Finding, failed, passed, warned
from cite.cli.parsing import add_debug

if TYPE_CHECKING:
    from packaging.version import Version

HELP = 'check the installation, and what a config or a model of the zoo needs'
EXAMPLE = 'cite doctor\n  cite doctor patchgastric/cite uni2-h'

PACKAGES = (
    'torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmpretrain', 'openmim', 'transformers',
    'timm', 'peft', 'numpy', 'setuptools',
)  # fmt: skip
SPARE = ('openmim', 'setuptools')
"""Without these, mim does not work; cite does."""
INSTALL = "pip install -e '.[dev]' -c constraints.txt"

PAIR = 'torch and torchvision must be of one release: install the pair of constraints.txt'
MODULES = {
    'torch': PAIR,
    'torchvision': PAIR,
    'cv2': 'opencv lacks a system library: apt-get install libgl1 libglib2.0-0, or pip install '
    'opencv-python-headless',
}
"""Modules that break most often → how to mend them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'targets', nargs='*', metavar='CONFIG|NAME', help='a config, or names of models'
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the findings as they come; 1 if any of them fails."""
    from cite.cli import doctor_models

    checks = [doctor_models.check_for(target) for target in getattr(args, 'targets', ())]
    counts = {'PASS': 0, 'WARN': 0, 'FAIL': 0}
    for finding in _installation():
        print(finding, flush=True)
        counts[finding.level] += 1
    broken = counts['FAIL'] and not _imports('torch')
    for check in checks if not broken else ():
        print()
        for finding in check():
            print(finding, flush=True)
            counts[finding.level] += 1
    print(f'\n{counts["PASS"]} passed, {counts["WARN"]} to look at, {counts["FAIL"]} failed')
    return 1 if counts['FAIL'] else 0


def _installation() -> Iterator[Finding]:
    yield passed(f'Python {sys.version.split()[0]}')
    yield from _packages()
    broken = _broken_modules()
    yield from broken.values()
    if not broken.keys() & {'torch', 'torchvision'}:  # cite's own modules need them
        from cite.cli import doctor_machine

        yield from doctor_machine.findings()


def _version(package: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version(package))
    except (PackageNotFoundError, InvalidVersion):
        return None


def _packages() -> Iterator[Finding]:
    """Packages that are there, missing, or known not to go together."""
    from packaging.version import Version

    for package in PACKAGES:
        found = _version(package)
        if found is not None:
            yield passed(f'{package} {found}')
        elif package in SPARE:
            yield warned(f'{package} is missing', INSTALL)
        else:
            yield failed(f'{package} is missing', INSTALL)
    if _version('mmcv') and _version('mmcv-lite'):
        yield warned(
            'mmcv and mmcv-lite overwrite each other',
            'pip uninstall mmcv mmcv-lite, then pip install mmcv-lite',
        )
    transformers, setuptools = _version('transformers'), _version('setuptools')
    if _version('pycocotools') and transformers and transformers >= Version('4.57'):
        yield warned(
            'with pycocotools and this transformers, import mmpretrain.models crashes',
            'pip uninstall pycocotools',
        )
    if setuptools and setuptools >= Version('82'):
        yield warned(
            'mim needs pkg_resources, gone from setuptools 82', "pip install 'setuptools<82'"
        )


def _broken_modules() -> dict[str, Finding]:
    """Module that is installed and cannot be imported → why, and what to do."""
    found = {}
    for module, mend in MODULES.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken binary raises OSError, RuntimeError, ImportError
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            found[module] = failed(f'import {module} fails ({reason})', mend)
    return found


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True
