"""Errors of the user's making, printed as one line where another program's `main` is running.

`mim train` runs mmpretrain's own script, which shows a traceback for everything.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

from cite.errors import CiteError


def install_clear_errors() -> None:
    """Uncaught `CiteError`s print their message only; `CITE_DEBUG=1` keeps the traceback."""
    previous = sys.excepthook
    if getattr(previous, 'is_cites', False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cause = root_cause(error)
        if cause is None or os.environ.get('CITE_DEBUG'):
            previous(kind, error, trace)
        else:
            print(f'error: {cause}', file=sys.stderr)

    hook.is_cites = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def root_cause(error: BaseException | None) -> CiteError | None:
    """The first `CiteError` under an exception; mmengine's registries wrap what they catch."""
    found = None
    while error is not None:
        if isinstance(error, CiteError):
            found = error
        error = error.__cause__ or error.__context__
        if found is not None and not isinstance(error, CiteError):
            return found
    return found
