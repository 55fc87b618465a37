"""Serves a page until it is stopped: on loopback, without a word to anybody else."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from cite.demo.settings import Settings
from cite.demo.workspace import Workspace
from cite.errors import ConfigError

SILENT = {
    'GRADIO_ANALYTICS_ENABLED': 'False',
    'GRADIO_NUM_WORKERS': '0',
    'HF_HUB_DISABLE_TELEMETRY': '1',
    'DO_NOT_TRACK': '1',
}
"""No telemetry, no look for new versions, no second process that takes uploads beside `Guard`."""
OPENING = ('GRADIO_ALLOWED_PATHS', 'GRADIO_SHARE', 'GRADIO_ROOT_PATH', 'GRADIO_MCP_SERVER')
"""Variables by which Gradio would open more than is said here."""


@contextmanager
def served(settings: Settings, browser: bool = False) -> Iterator[str]:
    """A page while the block runs; gives its address.

    Args:
        browser: Open it there.

    Raises:
        CiteError: What is offered cannot be loaded, Gradio is not installed, or the port is taken.
    """
    with page_of(settings) as (page, workspace):
        from starlette.middleware import Middleware

        from cite.demo.guard import Guard
        from cite.demo.page import look

        port = settings.port or _free_port(settings.host)
        hosts = (settings.host.strip('[]'), '127.0.0.1', '::1', 'localhost')
        guard = Middleware(Guard, hosts=hosts if settings.is_local else ())
        try:
            _, address, _ = page.launch(
                server_name=settings.host,
                server_port=port,
                share=False,
                inbrowser=browser,
                quiet=True,
                prevent_thread_lock=True,
                show_error=False,
                enable_monitoring=False,
                max_file_size=settings.max_upload_mb * 2**20,
                allowed_paths=[str(workspace.files)],
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                mcp_server=False,
                num_workers=0,
                pwa=False,
                strict_cors=True,
                state_session_capacity=100,
                app_kwargs={'middleware': [guard], 'docs_url': None, 'redoc_url': None},
                **look(),
            )
        except OSError as error:
            raise ConfigError(
                f'port {port} of {settings.host} cannot be had ({error}); give another: --port 0 takes any '
                'that is free'
            ) from error
        try:
            yield address
        finally:
            page.close(verbose=False)


@contextmanager
def page_of(settings: Settings) -> Iterator[tuple[Any, Workspace]]:
    """The page, built but not served, and its folder, which goes with the block.

    Raises:
        CiteError: As `served`.
    """
    import_gradio()
    from cite.demo.models import Models
    from cite.demo.page import Content, build
    from cite.demo.retrieval import search_folder
    from cite.demo.slide import slides_of

    slides = slides_of(settings.slides)
    models = Models(settings)
    searched = None
    if settings.folder is not None:
        searched = search_folder(settings.folder, models.spaces[settings.pairs[0]])
    with Workspace() as workspace, _variables({'GRADIO_TEMP_DIR': str(workspace.cache)}):
        yield build(Content(models, searched, slides, workspace)), workspace


def import_gradio() -> Any:
    """Gradio, silent.

    Raises:
        ConfigError: Not installed, or too old.
    """
    os.environ.update(SILENT)
    for name in OPENING:
        os.environ.pop(name, None)
    _not_by_proxy()
    try:
        import gradio
    except ImportError as error:
        raise ConfigError("the page needs Gradio: pip install 'cite-pathology[demo]'") from error
    if int(gradio.__version__.partition('.')[0]) < 6:
        raise ConfigError(
            f'the page needs Gradio 6 or later, found {gradio.__version__}: pip install -U gradio'
        )
    logging.getLogger('httpx').setLevel(logging.WARNING)  # tells each look at our own address
    return gradio


def wait() -> None:
    """Returns at Ctrl-C or when the process is told to end, so that everything is tidied up."""
    end = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        end.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        end.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def warn_of(settings: Settings) -> None:
    """Says on the terminal what it means to listen to a network."""
    if not settings.is_local:
        print(
            f'warning: --host {settings.host} lets everybody who reaches this machine use the page, upload'
            ' files and see what --folder shows; there is no password and no encryption. Use 127.0.0.1'
            ' and an SSH tunnel instead',
            file=sys.stderr,
        )


def _not_by_proxy() -> None:
    """Gradio looks at its own address when it starts; that must not go through a proxy."""
    for name in ('NO_PROXY', 'no_proxy'):
        known = [part for part in os.environ.get(name, '').split(',') if part]
        os.environ[name] = ','.join(dict.fromkeys([*known, '127.0.0.1', 'localhost', '::1']))


def _free_port(host: str) -> int:
    kind = socket.AF_INET6 if ':' in host else socket.AF_INET
    with closing(socket.socket(kind, socket.SOCK_STREAM)) as place:
        place.bind((host.strip('[]'), 0))
        return int(place.getsockname()[1])


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
