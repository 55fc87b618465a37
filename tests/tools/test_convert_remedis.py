from __future__ import annotations

import importlib.util
import sys
import types

import numpy as np
import pytest
import timm
import torch
from bit_files import tf_variables
from repo import REPO
from safetensors.torch import load_file

TOOL = REPO / 'tools' / 'convert_remedis.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('convert_remedis', TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def network():
    """What timm's own reader makes of the same variables."""
    with torch.device('meta'):
        outline = timm.create_model('resnetv2_50x1_bit', num_classes=0)
    return tf_variables(outline)


@pytest.fixture(scope='module')
def npz(network, tmp_path_factory):
    path = tmp_path_factory.mktemp('remedis') / 'variables.npz'
    extra = {'module/resnet/head/conv2d/bias': np.zeros(3, 'f4'), 'global_step': np.array(7)}
    np.savez(path, **{f'module/resnet/{k}:0': v for k, v in network.items()}, **extra)
    return path


def expected(network, tmp_path):
    np.savez(tmp_path / 'timm.npz', **{f'resnet/{k}': v for k, v in network.items()})
    model = timm.create_model('resnetv2_50x1_bit', num_classes=0)
    with torch.no_grad():
        model.load_pretrained(str(tmp_path / 'timm.npz'))
    return model.state_dict()


def test_variables_become_what_timms_own_reader_makes_of_them(tool, npz, network, tmp_path, capsys):
    out, again = tmp_path / 'out.safetensors', tmp_path / 'again.safetensors'
    assert tool.main([str(npz), str(out)]) == 0
    assert tool.main([str(npz), str(again), '--prefix', 'module/resnet/']) == 0
    assert again.read_bytes() == out.read_bytes()
    state, wanted = load_file(out), expected(network, tmp_path)
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], wanted[name]) for name in wanted)
    told = capsys.readouterr().out
    assert "under 'module/resnet/'" in told
    assert 'left aside: global_step, head.fc.bias' in told


class Variable:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def numpy(self):
        return self.value


@pytest.mark.parametrize('where', ['variables', 'signatures', 'call'])
def test_a_saved_model_is_read_by_tensorflow(tool, network, tmp_path, monkeypatch, where):
    (tmp_path / 'model').mkdir()
    (tmp_path / 'model' / 'saved_model.pb').touch()
    variables = [Variable(f'resnet/{name}:0', value) for name, value in network.items()]
    function = types.SimpleNamespace(variables=variables)

    class Loaded:
        signatures = {'serving_default': function} if where == 'signatures' else {}

        class Call:
            concrete_functions = (function,)

        __call__ = Call()

    if where == 'variables':
        Loaded.variables = variables
    tensorflow = types.ModuleType('tensorflow')
    tensorflow.saved_model = types.SimpleNamespace(load=lambda folder: Loaded())
    monkeypatch.setitem(sys.modules, 'tensorflow', tensorflow)
    assert tool.main([str(tmp_path / 'model'), str(tmp_path / 'out.safetensors')]) == 0
    assert len(load_file(tmp_path / 'out.safetensors')) == len(network)
    variables.append(variables[0])
    if where == 'variables':
        assert tool.main([str(tmp_path / 'model'), str(tmp_path / 'out.safetensors')]) == 2


def test_without_tensorflow_it_says_how_to_get_it(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'tensorflow', None)
    (tmp_path / 'saved_model.pb').touch()
    assert tool.main([str(tmp_path), str(tmp_path / 'out.safetensors')]) == 2
    told = capsys.readouterr().err
    assert 'pip install tensorflow-cpu' in told
    assert told.count('\n') == 1


def test_what_it_refuses(tool, npz, network, tmp_path, capsys):
    def refused(source, out='out.safetensors', *options):
        assert tool.main([str(source), str(tmp_path / out), *options]) == 2
        told = capsys.readouterr().err
        assert told.count('\n') == 1
        assert not (tmp_path / out).exists()
        return told

    assert 'expected a folder with saved_model.pb' in refused(tmp_path)
    assert "starts with 'resnet/root_block/'" in refused(
        npz, 'out.safetensors', '--prefix', 'resnet/'
    )
    assert 'ends in .safetensors' in refused(npz, 'out.pth')
    np.savez(tmp_path / 'nameless.npz', **{f'variables/{i}': np.zeros(1) for i in range(9)})
    assert 'variables/4 and 4 more' in refused(tmp_path / 'nameless.npz')
    short = dict(network)
    del short['block3/unit06/b/group_norm/beta']
    np.savez(tmp_path / 'short.npz', **short)
    told = refused(tmp_path / 'short.npz')
    assert 'resnetv2_50x1_bit' in told
    assert '1 missing (stages.2.blocks.5.norm2.bias)' in told
