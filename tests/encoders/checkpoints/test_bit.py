from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import timm
import torch
from bit_files import tf_variables
from timm.layers import StdConv2d
from timm.models.resnetv2 import ResNetV2

from cite.encoders.checkpoints import find_family, load_strict, to_timm
from cite.encoders.checkpoints.bit import find_prefix, from_tensorflow
from cite.encoders.files.state_file import read_state
from cite.errors import CheckpointError

LAYERS = {'50x1': [3, 4, 6, 3], '152x2': [3, 8, 36, 3]}
ROOT = 'root_block/standardized_conv2d/kernel'


def narrow(net: str, num_classes: int = 0) -> ResNetV2:
    """A BiT of full depth with few channels."""
    torch.manual_seed(1)
    return ResNetV2(
        LAYERS[net],
        channels=(64, 64, 64, 64),
        width_factor=2,
        num_classes=num_classes,
        stem_type='fixed',
        bottle_ratio=0.5,
        conv_layer=partial(StdConv2d, eps=1e-8),
    ).eval()


def tensors(arrays):
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize('net', LAYERS)
@torch.no_grad()
def test_an_npz_fills_the_model_as_timms_own_reader_does(net, tmp_path):
    ours, timms = narrow(net), narrow(net)
    arrays = {f'resnet/{k}': v for k, v in tf_variables(ours).items()}
    np.savez(tmp_path / 'bit.npz', **arrays)
    timms.load_pretrained(str(tmp_path / 'bit.npz'))
    state = read_state(tmp_path / 'bit.npz')
    assert find_family(state).LAYOUT == 'BiT (TensorFlow)'
    load_strict(ours, to_timm(state, ours), 'bit')
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    expected = timms(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(ours(images), expected, rtol=1e-6, atol=1e-6)


def test_a_classifier_goes_where_timms_reader_puts_it(tmp_path):
    ours, timms = narrow('50x1', 5), narrow('50x1', 5)
    arrays = {f'resnet/{k}': v for k, v in tf_variables(narrow('50x1')).items()}
    random = np.random.default_rng(1)
    arrays['resnet/head/conv2d/kernel'] = random.random((1, 1, 128, 5), dtype=np.float32)
    arrays['resnet/head/conv2d/bias'] = random.random(5, dtype=np.float32)
    np.savez(tmp_path / 'bit.npz', **arrays)
    with torch.no_grad():
        timms.load_pretrained(str(tmp_path / 'bit.npz'))
    load_strict(ours, to_timm(read_state(tmp_path / 'bit.npz'), ours), 'bit')
    for name, value in timms.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize('prefix', ['', 'resnet/', 'module/encoder/resnet_50/'])
@pytest.mark.parametrize('end', ['', ':0'])
def test_any_prefix_is_found_from_the_names(prefix, end):
    model = narrow('50x1')
    arrays = tensors(tf_variables(model))
    state = {f'{prefix}{name}{end}': value for name, value in arrays.items()}
    assert find_prefix(list(state)) == prefix
    converted = from_tensorflow({**state, 'step': torch.tensor(3)})
    assert torch.equal(converted.pop('step'), torch.tensor(3))
    assert converted.keys() == model.state_dict().keys()
    assert torch.equal(
        converted['stages.1.blocks.0.norm2.weight'], arrays['block2/unit01/b/group_norm/gamma']
    )
    assert torch.equal(
        converted['stages.1.blocks.0.norm2.bias'], arrays['block2/unit01/b/group_norm/beta']
    )


def test_scales_and_shifts_may_be_stored_as_maps():
    model = narrow('50x1')
    state = tensors(tf_variables(model))
    maps = {k: v.reshape(1, 1, 1, -1) if v.ndim == 1 else v for k, v in state.items()}
    load_strict(model, from_tensorflow(maps), 'bit')


def test_names_without_a_root_block_are_refused_with_the_first_of_them():
    names = [f'variables/{i}' for i in range(7)]
    with pytest.raises(CheckpointError, match=r'variables/0, .*variables/4 and 2 more'):
        find_prefix(names)
    with pytest.raises(CheckpointError, match="2 BiT networks, under 'a/', 'b/'"):
        find_prefix([f'a/{ROOT}', f'b/{ROOT}'])
    with pytest.raises(
        CheckpointError, match=r"starts with 'x/root_block/'; the first are resnet/"
    ):
        from_tensorflow({f'resnet/{ROOT}': torch.zeros(1)}, prefix='x/')
    with pytest.raises(
        CheckpointError, match=r'both stand for stages\.0\.blocks\.0\.conv1\.weight'
    ):
        from_tensorflow(
            {
                ROOT: torch.zeros(7, 7, 3, 8),
                'block1/unit1/a/standardized_conv2d/kernel': torch.zeros(1, 1, 1, 1),
                'block1/unit01/a/standardized_conv2d/kernel': torch.zeros(1, 1, 1, 1),
            }
        )


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (
            lambda s: s.pop('resnet/block3/unit02/b/group_norm/beta'),
            r'stages\.2\.blocks\.1\.norm2\.bias',
        ),
        (lambda s: s.update({'resnet/block9/surprise': torch.zeros(2)}), 'resnet/block9/surprise'),
        (
            lambda s: s.update(
                {'resnet/block1/unit01/c/proj/standardized_conv2d/kernel': torch.zeros(2)}
            ),
            'unit01/c/proj',
        ),
        (
            lambda s: s.update({'resnet/block1/unit01/a/group_norm/gamma': torch.zeros(3)}),
            r'stages\.0\.blocks\.0\.norm1\.weight is \(3,\)',
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, named):
    model = narrow('50x1')
    state = {f'resnet/{k}': v for k, v in tensors(tf_variables(model)).items()}
    change(state)
    with pytest.raises(CheckpointError, match=named):
        load_strict(model, to_timm(state, model), 'bit')


@pytest.mark.parametrize(
    ('net', 'arch'), [('50x1', 'resnetv2_50x1_bit'), ('152x2', 'resnetv2_152x2_bit')]
)
def test_the_published_sizes_have_these_very_names(net, arch):
    with torch.device('meta'):
        model = timm.create_model(arch, num_classes=0)
    assert model.state_dict().keys() == narrow(net).state_dict().keys()
