"""Requests that other sites make in a user's browser are refused.

Loopback does not keep a browser's own pages out: any site can send a form to 127.0.0.1, and a name that its
owner points there later (DNS rebinding) can even read the answer. So the host that a request names must be
ours, and where a browser tells the origin, it must be the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Guard:
    """ASGI middleware.

    Args:
        app: What is guarded.
        hosts: Names that a request may name, without a port; () for any, where a page is open to a network
            and its names cannot be known.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] = ()) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] not in ('http', 'websocket') or self.lets_in(scope):
            await self.app(scope, receive, send)
            return
        from starlette.responses import PlainTextResponse

        answer = PlainTextResponse('refused: another host or origin than this page', 403)
        await answer(scope, receive, send)

    def lets_in(self, scope: Any) -> bool:
        """Whether host and origin are ours."""
        headers = {key.lower(): value.decode('latin-1') for key, value in scope['headers']}
        host = headers.get(b'host', '')
        if self.hosts and (urlsplit(f'//{host}').hostname or '') not in self.hosts:
            return False
        origin = headers.get(b'origin')
        return origin is None or urlsplit(origin).netloc == host
