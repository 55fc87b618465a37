"""Weights out of TorchScript archives, without running what else is in them."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from cite.encoders.files.state_file import read_state
from cite.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings('ignore::FutureWarning', 'ignore::DeprecationWarning')


class Inner(nn.Module):
    """All kinds of content: half precision, views, tied weights, numbers, lists, what is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.tied = self.layers[0]
        self.short = nn.Parameter(torch.randn(2).half())
        self.register_buffer('input_resolution', torch.tensor(224))
        self.register_buffer('view', torch.arange(6.0).view(2, 3).T)
        self.register_buffer('empty', torch.zeros(0))
        self.mask = torch.ones(2)  # neither parameter nor buffer
        self.names = ['a', 'b']
        self.sizes = {'x': 1}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.sizes['x'] + len(self.names) + self.input_resolution + self.view.sum()
        return self.layers(x) * self.mask * scale + self.short.float() + self.empty.sum()


@pytest.mark.parametrize('how', ['script', 'trace'])
def test_same_as_torch_loads(tmp_path, how):
    module = nn.Sequential(Inner(), nn.Identity()).eval()
    made = (
        torch.jit.script(module) if how == 'script' else torch.jit.trace(module, torch.ones(2, 3))
    )
    made.save(str(tmp_path / 'w.pt'))
    expected, found = torch.jit.load(tmp_path / 'w.pt').state_dict(), read_state(tmp_path / 'w.pt')
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


class Loading(nn.Module):
    """Runs a program of its own when TorchScript loads it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.training = False

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        self.weight = state[0]
        self.training = state[1]
        print('the program of the archive runs')

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


def test_the_archives_program_is_not_run(tmp_path, capfd):
    path = tmp_path / 'w.pt'
    torch.jit.script(nn.Sequential(nn.Linear(1, 1), Loading())).save(str(path))
    capfd.readouterr()
    torch.jit.load(path)
    assert 'runs' in capfd.readouterr().out  # PyTorch's own loader would
    assert read_state(path).keys() == {'0.weight', '0.bias'}
    assert 'runs' not in capfd.readouterr().out


class Foreign:
    def __reduce__(self):
        return os.mkdir, ('executed',)


def test_pickled_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile('w.pt', 'w') as archive:
        archive.writestr('w/constants.pkl', b'')
        archive.writestr('w/data.pkl', pickle.dumps(Foreign(), protocol=2))
    with pytest.raises(
        CheckpointError, match=r'w\.pt holds (posix|nt)\.mkdir, which is not loaded'
    ):
        read_state('w.pt')
    assert not Path('executed').exists()


def test_a_view_beyond_its_bytes_is_damage(tmp_path):
    torch.jit.script(nn.Linear(3, 2)).save(str(tmp_path / 'whole.pt'))
    with (
        zipfile.ZipFile(tmp_path / 'whole.pt') as whole,
        zipfile.ZipFile(tmp_path / 'w.pt', 'w') as cut,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            cut.writestr(name, content[:4] if '/data/' in name else content)
    with pytest.raises(CheckpointError, match='damaged'):
        read_state(tmp_path / 'w.pt')
