"""`cite doctor`: what this installation has, and what of it is known to go wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cite.cli.parsing import add_debug

if TYPE_CHECKING:
    from packaging.version import Version

HELP = 'check the installation'
EXAMPLE = 'cite doctor'

PACKAGES = (
    'torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmpretrain', 'openmim', 'transformers',
    'timm', 'peft', 'numpy', 'setuptools',
)  # fmt: skip

PAIR = 'torch and torchvision must be of one release: install the pair of constraints.txt'
MODULES = {
    'torch': PAIR,
    'torchvision': PAIR,
    'cv2': 'opencv lacks a system library: apt-get install libgl1 libglib2.0-0, or pip install '
    'opencv-python-headless',
}
"""Modules that break most often → how to mend them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    print(f'Python {sys.version.split()[0]}')
    for package in PACKAGES:
        print(f'{package:<14}{_version(package) or "missing"}')
    broken = _broken_modules()
    warnings = [*_packages(), *broken.values()]
    if not broken.keys() & {'torch', 'torchvision'}:  # cite's own modules need them
        print(f'device        {_device()}')
        warnings += _cache()
    for warning in warnings:
        print(f'warning: {warning}')
    print(f'warnings: {len(warnings)}' if warnings else 'no known problem found')


def _version(package: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version(package))
    except (PackageNotFoundError, InvalidVersion):
        return None


def _packages() -> list[str]:
    """Packages that are missing, or known not to go together."""
    from packaging.version import Version

    found = [
        f"{package} is missing: pip install -e '.[dev]' -c constraints.txt"
        for package in PACKAGES
        if _version(package) is None
    ]
    if _version('mmcv') and _version('mmcv-lite'):
        found.append(
            'mmcv and mmcv-lite overwrite each other: pip uninstall mmcv mmcv-lite, then '
            'pip install mmcv-lite'
        )
    transformers, setuptools = _version('transformers'), _version('setuptools')
    if _version('pycocotools') and transformers and transformers >= Version('4.57'):
        found.append(
            'with pycocotools and this transformers, import mmpretrain.models crashes: '
            'pip uninstall pycocotools'
        )
    if setuptools and setuptools >= Version('82'):
        found.append(
            "mim needs pkg_resources, gone from setuptools 82: pip install 'setuptools<82'"
        )
    return found


def _broken_modules() -> dict[str, str]:
    """Module that is installed and cannot be imported → why, and what to do."""
    found = {}
    for module, mend in MODULES.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken binary raises OSError, RuntimeError, ImportError
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            found[module] = f'import {module} fails ({reason}). {mend}'
    return found


def _cache() -> list[str]:
    from cite.paths import cache_dir

    folder = next(f for f in (cache_dir(), *cache_dir().parents) if f.is_dir())
    if os.access(folder, os.W_OK):
        return []
    return [f'{cache_dir()} cannot be written: set CITE_CACHE to another folder']


def _device() -> str:
    import torch

    from cite.precision import settle_precision

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    name = torch.cuda.get_device_name() if device == 'cuda' else f'{os.cpu_count()} CPU cores'
    return f'{name}, precision {settle_precision("auto", device)}'
