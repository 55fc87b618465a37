"""Errors of the user's making, told in one line wherever they come up.

`mim train` runs mmpretrain's own script, which shows a traceback for everything; a data loader's worker
sends its traceback as the message; mmengine raises bare `KeyError`s for misspelt types.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from cite.errors import CheckpointError, CiteError, ConfigError

OPTION = r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'"
"""What Python says of a key in a config that the class it is for does not take."""


def install_clear_errors() -> None:
    """Uncaught errors of the user's print their message only; `CITE_DEBUG=1` keeps the traceback."""
    previous = sys.excepthook
    if getattr(previous, 'is_cites', False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        told = clear_error(error)
        if told is None or os.environ.get('CITE_DEBUG'):
            previous(kind, error, trace)
        else:
            print(f'error: {told}', file=sys.stderr)

    hook.is_cites = True  # type: ignore[attr-defined]
    sys.excepthook = hook


@contextmanager
def clear_errors() -> Iterator[None]:
    """Inside, whatever a user can mend is raised as a `CiteError` with a message of its own."""
    try:
        yield
    except Exception as error:
        told = clear_error(error)
        if told is None or told is error:
            raise
        raise type(told)(str(told)) from error


def clear_error(error: BaseException) -> CiteError | None:
    """What to tell of an exception: a `CiteError`, or None where it is a defect of ours.

    Of a chain of exceptions it is the outermost `CiteError`.
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, CiteError):
            return _without_worker(found)
        found = found.__cause__ or found.__context__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CheckpointError(
            f'{error.strerror}: {error.filename or "the run folder"}. Make room and continue with '
            '--resume; checkpoints written before are whole'
        )
    if isinstance(error, KeyError) and ' registry. ' in str(error):
        return ConfigError(
            str(error.args[0]).split(' registry. ')[0] + ' registry: is it misspelt?'
        )
    option = re.match(OPTION, str(error)) if isinstance(error, TypeError) else None
    if option is not None:
        return ConfigError(f'{option[1]} has no option {option[2]!r}: is it misspelt?')
    return None


def _without_worker(error: CiteError) -> CiteError:
    """A worker's error carries the worker's traceback; the message is what follows the last type."""
    kind = type(error)
    head, _, message = str(error).rpartition(f'{kind.__module__}.{kind.__qualname__}: ')
    return kind(message.strip()) if head.startswith('Caught ') else error
