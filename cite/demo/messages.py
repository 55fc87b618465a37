"""Errors as messages on the page: one line each, never a traceback."""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cite.errors import CiteError

F = TypeVar('F', bound=Callable[..., Any])
LONGEST = 600
"""Characters of a message on the page."""
DEFECT = 'This is a defect of the demo, not of what you gave it. The terminal it was started in says more.'


def one_line(error: BaseException) -> str:
    """What happened, in one line, which a page can show."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = ' '.join((told or type(error).__name__).split())
    return line if len(line) <= LONGEST else f'{line[: LONGEST - 1]}…'


def told(function: F) -> F:
    """A handler whose errors become messages. Names of files and classes come from users, and Gradio takes
    messages for HTML, so they are escaped."""
    import gradio as gr

    @functools.wraps(function)
    def guarded(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except gr.Error:
            raise
        except (CiteError, OSError) as error:
            message = html.escape(one_line(error), quote=False)
        except Exception:
            logging.getLogger('cite.demo').exception('a handler of the page failed')
            message = DEFECT
        raise gr.Error(message, duration=20, print_exception=False)

    return guarded  # type: ignore[return-value]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Inside, errors name a file as its user does, without the folder that uploads are kept in."""
    try:
        yield
    except CiteError as error:
        message = str(error).replace(str(path), path.name)
        raise type(error)(message) from error
