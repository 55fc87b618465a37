from __future__ import annotations

import errno
import sys

import pytest

from cite.errors import CheckpointError, ConfigError, DataError
from cite.mm.messages import clear_error, clear_errors, install_clear_errors


@pytest.fixture
def hook(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, 'excepthook', lambda *args: shown.append(args))
    monkeypatch.delenv('CITE_DEBUG', raising=False)
    install_clear_errors()
    install_clear_errors()  # twice is once
    return shown


def caught(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError


def test_our_errors_are_one_line_and_others_keep_their_traceback(hook, capsys):
    sys.excepthook(DataError, DataError('bad file'), None)
    assert capsys.readouterr().err == 'error: bad file\n' and not hook
    sys.excepthook(ValueError, ValueError('defect'), None)
    assert capsys.readouterr().err == '' and len(hook) == 1


def test_debugging_keeps_every_traceback(hook, capsys, monkeypatch):
    monkeypatch.setenv('CITE_DEBUG', '1')
    sys.excepthook(DataError, DataError('bad file'), None)
    assert capsys.readouterr().err == '' and len(hook) == 1


def test_the_outermost_of_our_errors_is_told():
    def nested():
        try:
            try:
                raise FileNotFoundError('deep')
            except OSError as error:
                raise ConfigError('inner') from error
        except ConfigError as error:
            raise CheckpointError('outer') from error

    assert str(clear_error(caught(nested))) == 'outer'

    def wrapped():  # what some versions of mmengine's registries do
        try:
            raise ConfigError('inner')
        except ConfigError:
            raise RuntimeError('class X: inner')  # noqa: B904

    assert str(clear_error(caught(wrapped))) == 'inner'
    assert clear_error(ValueError('defect')) is None


def test_a_workers_traceback_is_taken_off():
    from torch._utils import ExceptionWrapper

    def work():
        try:
            try:
                raise OSError('pillow: whatever')
            except OSError as error:
                raise DataError('a.jpg: damaged (cite.errors.DataError)') from error
        except DataError:
            wrapper = ExceptionWrapper(where='in DataLoader worker process 0')
        wrapper.reraise()

    error = caught(work)
    assert 'Traceback' in str(error)
    told = clear_error(error)
    assert type(told) is DataError and str(told) == 'a.jpg: damaged (cite.errors.DataError)'
    with pytest.raises(DataError, match=r'^a\.jpg: damaged'), clear_errors():
        raise error


def test_a_full_disk_and_a_misspelt_type_are_the_users_to_mend():
    told = clear_error(OSError(errno.ENOSPC, 'No space left on device', 'run/x'))
    assert isinstance(told, CheckpointError) and 'No space left on device: run/x' in str(told)
    assert clear_error(OSError(errno.EIO, 'Input/output error')) is None

    def misspelt():
        from mmengine.registry import OPTIMIZERS

        OPTIMIZERS.build({'type': 'SDG', 'lr': 1})

    told = clear_error(caught(misspelt))
    assert isinstance(told, ConfigError)
    assert str(told) == 'SDG is not in the mmengine::optimizer registry: is it misspelt?'
    assert clear_error(KeyError('x')) is None


def test_what_passes_through_is_left_alone():
    with pytest.raises(ZeroDivisionError), clear_errors():
        _ = 1 / 0
    error = DataError('once')
    with pytest.raises(DataError) as seen, clear_errors():
        raise error
    assert seen.value is error


def test_a_key_that_a_class_does_not_take():
    class Loader:
        def __init__(self, size):
            pass

    error = caught(lambda: Loader(siez=1))
    plain = TypeError("Loader.__init__() got an unexpected keyword argument 'siez'")
    assert str(clear_error(plain)) == "Loader has no option 'siez': is it misspelt?"
    assert 'siez' in str(error) and clear_error(TypeError('defect')) is None
