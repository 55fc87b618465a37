"""`cite doctor`: what this installation has, and what of it is known to go wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import PackageNotFoundError, version

HELP = 'check the installation'
EXAMPLE = 'cite doctor'

PACKAGES = (
    'torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmpretrain', 'openmim', 'transformers',
    'timm', 'peft', 'numpy', 'setuptools',
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> None:
    print(f'Python {sys.version.split()[0]}')
    for package in PACKAGES:
        print(f'{package:<14}{_version(package) or "missing"}')
    _device()
    warnings = list(_warnings())
    for warning in warnings:
        print(f'warning: {warning}')
    print('no known problem found' if not warnings else f'{len(warnings)} warnings')


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device() -> None:
    import torch

    from cite.precision import settle_precision

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    name = torch.cuda.get_device_name() if device == 'cuda' else f'{os.cpu_count()} CPU cores'
    print(f'device        {name}, precision {settle_precision("auto", device)}')


def _warnings() -> list[str]:
    from cite.anchors.cache import cache_dir

    found = []
    for package in PACKAGES:
        if _version(package) is None:
            found.append(f"{package} is missing: pip install -e '.[dev]' -c constraints.txt")
    if _version('mmcv') and _version('mmcv-lite'):
        found.append(
            'mmcv and mmcv-lite overwrite each other: pip uninstall mmcv mmcv-lite, then '
            'pip install mmcv-lite'
        )
    if _version('pycocotools') and (_version('transformers') or '0') >= '4.57':
        found.append(
            'with pycocotools and this transformers, import mmpretrain.models crashes: '
            'pip uninstall pycocotools'
        )
    if int((_version('setuptools') or '0').split('.')[0]) >= 82:
        found.append(
            "mim needs pkg_resources, gone from setuptools 82: pip install 'setuptools<82'"
        )
    for module, mend in (
        (
            'torchvision',
            'torch and torchvision must be of one release: install the pair of constraints.txt',
        ),
        (
            'cv2',
            'opencv lacks a system library: apt-get install libgl1 libglib2.0-0, or pip install '
            'opencv-python-headless',
        ),
    ):
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken binary raises OSError, RuntimeError, ImportError
            found.append(f'import {module} fails ({str(error).splitlines()[0]}). {mend}')
    if not os.access(_nearest_folder(cache_dir()), os.W_OK):
        found.append(f'{cache_dir()} cannot be written: set CITE_CACHE to another folder')
    return found


def _nearest_folder(path: os.PathLike[str]) -> str:
    folder = os.fspath(path)
    while not os.path.isdir(folder):  # noqa: PTH112
        folder = os.path.dirname(folder)  # noqa: PTH120
    return folder
