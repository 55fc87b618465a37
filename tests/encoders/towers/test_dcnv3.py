from __future__ import annotations

import itertools
import math
import sys
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from internimage_reference import deformable_sum
from torch import Tensor

from cite.encoders.towers import dcnv3_compiled
from cite.encoders.towers.dcnv3 import POINTS, DCNv3, dcnv3, sample_and_sum
from cite.encoders.towers.dcnv3_compiled import CompiledDCNv3, compiled_dcnv3

HEIGHT, WIDTH = 4, 5


def inputs(
    groups: int = 3, channels: int = 2, spread: float = 1.5, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """Values, offsets, weights; points near, on and far beyond the border, and between pixels."""
    generator = torch.Generator().manual_seed(groups)

    def normal(size: int) -> Tensor:
        return torch.randn(2, HEIGHT, WIDTH, size, generator=generator, dtype=dtype)

    offsets = spread * normal(groups * POINTS * 2)
    if spread > 1:
        offsets[0, 0, 0, :2] = torch.tensor([1e6, -1e6])
    return normal(groups * channels), offsets, normal(groups * POINTS)


def by_hand(values: Tensor, offsets: Tensor, weights: Tensor, groups: int, scale: float) -> Tensor:
    batch, height, width, channels = values.shape
    per_group = channels // groups
    out = torch.zeros_like(values)

    def pixel(image: int, y: int, x: int, group: int) -> Tensor:
        if 0 <= y < height and 0 <= x < width:
            return values[image, y, x, group * per_group : (group + 1) * per_group]
        return torch.zeros(per_group)

    for image, row, column, group in itertools.product(*map(range, (batch, height, width, groups))):
        total = torch.zeros(per_group)
        for point in range(9):
            kernel_x, kernel_y = point // 3 - 1, point % 3 - 1
            number = group * 9 + point
            x = column + scale * (kernel_x + offsets[image, row, column, 2 * number].item())
            y = row + scale * (kernel_y + offsets[image, row, column, 2 * number + 1].item())
            left, top = math.floor(x), math.floor(y)
            right, below = x - left, y - top
            found = (
                (1 - right) * (1 - below) * pixel(image, top, left, group)
                + right * (1 - below) * pixel(image, top, left + 1, group)
                + (1 - right) * below * pixel(image, top + 1, left, group)
                + right * below * pixel(image, top + 1, left + 1, group)
            )
            total += weights[image, row, column, number] * found
        out[image, row, column, group * per_group : (group + 1) * per_group] = total
    return out


@pytest.mark.parametrize('scale', [1.0, 2.0])
@pytest.mark.parametrize('spread', [0.0, 0.3, 1.5, 6.0])
@pytest.mark.parametrize('groups', [1, 3])
def test_equals_loops_over_positions_points_and_groups(groups, spread, scale):
    given = inputs(groups, spread=spread)
    expected = by_hand(*given, groups, scale)
    torch.testing.assert_close(dcnv3(*given, groups, scale), expected, rtol=1e-5, atol=1e-5)
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize('scale', [1.0, 2.0])
@pytest.mark.parametrize('groups', [1, 4])
def test_equals_torchvisions_deformable_convolution(groups, scale):
    given = inputs(groups, channels=3)
    expected = deformable_sum(*given, groups, scale)
    torch.testing.assert_close(dcnv3(*given, groups, scale), expected, rtol=1e-5, atol=1e-5)


def test_gradients():
    given = [value[:1, :3].requires_grad_() for value in inputs(2, dtype=torch.float64)]
    assert torch.autograd.gradcheck(lambda *args: dcnv3(*args, 2, 2.0), given)


def test_bfloat16_does_not_blur_the_places():
    """At column 200 bfloat16 counts in whole pixels: places must not be computed in it."""
    values = torch.randn(1, 1, 256, 4, generator=torch.Generator().manual_seed(0))
    values, offsets = values.bfloat16(), torch.full((1, 1, 256, 18), 0.25).bfloat16()
    weights = torch.full((1, 1, 256, 9), 1 / 8).bfloat16()
    exact = dcnv3(values.float(), offsets.float(), weights.float(), 1)
    out = dcnv3(values, offsets, weights, 1)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, exact.bfloat16())


def test_a_new_layer_averages_the_neighbourhood():
    layer = DCNv3(32, groups=2)
    maps = torch.randn(2, 6, 5, 32)
    values = layer.input_proj(maps).permute(0, 3, 1, 2)
    average = F.avg_pool2d(values, 3, stride=1, padding=1).permute(0, 2, 3, 1)
    torch.testing.assert_close(layer(maps), layer.output_proj(average), rtol=1e-5, atol=1e-5)


def test_points_of_a_group_weigh_one_together():
    layer = DCNv3(32, groups=2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.3)
        layer.offset.weight.zero_()
        layer.offset.bias.zero_()
        layer.input_proj.weight.zero_()  # the same values everywhere
    maps = torch.randn(1, 7, 7, 32)
    inside = layer(maps)[:, 1:-1, 1:-1]
    expected = layer.output_proj(layer.input_proj.bias)
    torch.testing.assert_close(inside, expected.expand_as(inside), rtol=1e-5, atol=1e-5)


class Extension(ModuleType):
    """Stands in for the compiled one: its signatures, from its source, and what it insists on."""

    def __init__(self, version: str) -> None:
        super().__init__('DCNv3')
        self.last = () if version == '1.0' else (0,)

    def dcnv3_forward(self, values, offsets, weights, *rest):
        self._check((values, offsets, weights), rest[:11], rest[11:])
        return sample_and_sum(values, offsets, weights, rest[8], rest[10])

    def dcnv3_backward(self, values, offsets, weights, *rest):
        grad, given = rest[11], [t.detach().requires_grad_() for t in (values, offsets, weights)]
        self._check((*given, grad), rest[:11], rest[12:])
        with torch.enable_grad():
            out = sample_and_sum(*given, rest[8], rest[10])
        return torch.autograd.grad(out, given, grad)

    def _check(self, tensors, shape, rest):
        assert all(tensor.is_contiguous() for tensor in tensors)
        values = tensors[0]
        assert shape[:8] == (3, 3, 1, 1, 1, 1, 1, 1)
        assert shape[8] * shape[9] == values.shape[-1]
        assert len(values) % min(len(values), rest[0]) == 0
        assert rest[1:] == self.last


@pytest.fixture
def fresh():
    """Forgets what was found before and after."""
    compiled_dcnv3.cache_clear()
    dcnv3_compiled._version.cache_clear()
    yield
    compiled_dcnv3.cache_clear()
    dcnv3_compiled._version.cache_clear()


@pytest.mark.parametrize('version', ['1.0', '1.1'])
def test_the_compiled_operator_is_called_as_it_wants(version, monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, 'DCNv3', Extension(version))
    monkeypatch.setattr(dcnv3_compiled.metadata, 'version', lambda name: version)
    given = [value.requires_grad_() for value in inputs(3, dtype=torch.float64)]
    turned = [value.transpose(1, 2).contiguous().transpose(1, 2) for value in given]
    compiled = CompiledDCNv3.apply(compiled_dcnv3(), *turned, 3, 2.0)
    plain = dcnv3(*given, 3, 2.0)
    torch.testing.assert_close(compiled, plain)
    ours, theirs = (torch.autograd.grad(out.square().sum(), given) for out in (plain, compiled))
    torch.testing.assert_close(ours, theirs)


def test_tensors_on_the_cpu_do_without_it(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, 'DCNv3', ModuleType('DCNv3'))
    assert compiled_dcnv3() is None
    compiled_dcnv3.cache_clear()
    monkeypatch.setitem(sys.modules, 'DCNv3', Extension('1.1'))
    monkeypatch.setattr(Extension, 'dcnv3_forward', None)
    dcnv3(*inputs(), 3)


def test_none_installed(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, 'DCNv3', None)
    assert compiled_dcnv3() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('scale', [1.0, 2.0])
def test_gpu_equals_cpu(scale):
    """By the compiled operator where there is one."""
    given = [value.requires_grad_() for value in inputs(3)]
    there = [value.detach().cuda().requires_grad_() for value in given]
    ours, theirs = dcnv3(*given, 3, scale), dcnv3(*there, 3, scale)
    torch.testing.assert_close(theirs.cpu(), ours, rtol=1e-4, atol=1e-4)
    grads = torch.autograd.grad(theirs.square().sum(), there)
    expected = torch.autograd.grad(ours.square().sum(), given)
    for grad, wanted in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad.cpu(), wanted, rtol=1e-3, atol=1e-3)
