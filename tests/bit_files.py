"""BiT in TensorFlow's names, for the tests of what reads them."""

from __future__ import annotations

import re

import numpy as np
from torch import nn


def tf_variables(trunk: nn.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Random arrays under BiT's own names ('root_block/…') that fill a timm `ResNetV2` without a head."""
    random = np.random.default_rng(seed)
    variables = {}
    for name, value in trunk.state_dict().items():
        array = random.standard_normal(value.shape).astype(np.float32) * 0.1
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)  # to height, width, in, out
        variables[_tf_name(name)] = np.ascontiguousarray(array)
    return variables


def _tf_name(name: str) -> str:
    *_, layer, kind = name.split('.')
    variable = {'weight': 'gamma', 'bias': 'beta'}[kind]
    if name == 'stem.conv.weight':
        return 'root_block/standardized_conv2d/kernel'
    if name.startswith('norm.'):
        return f'group_norm/{variable}'
    stage, block = (int(n) + 1 for n in re.findall(r'\d+', name)[:2])
    unit = f'block{stage}/unit{block:02d}'
    if 'downsample' in name:
        return f'{unit}/a/proj/standardized_conv2d/kernel'
    letter = 'abc'[int(layer[-1]) - 1]
    if layer.startswith('conv'):
        return f'{unit}/{letter}/standardized_conv2d/kernel'
    return f'{unit}/{letter}/group_norm/{variable}'
