"""Talks to a page as a browser does: the queue, uploads, files."""

from __future__ import annotations

import json
import uuid

import httpx


class User:
    """One tab of a browser.

    Args:
        address: Of the page.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip('/')
        self.session = uuid.uuid4().hex
        self.http = httpx.Client(base_url=self.address, timeout=60, trust_env=False)
        self.config = self.http.get('/config').json()

    def upload(self, name: str, content: bytes) -> httpx.Response:
        """Sends a file."""
        return self.http.post('/gradio_api/upload', files={'files': (name, content)})

    def file(self, name: str, content: bytes) -> dict:
        """An uploaded file, as an event takes it."""
        path = self.upload(name, content).json()[0]
        return {'path': path, 'orig_name': name, 'meta': {'_type': 'gradio.FileData'}}

    def event(self, name: str) -> dict:
        """What the page says of a handler."""
        return next(one for one in self.config['dependencies'] if one['api_name'] == name)

    def join(self, name: str, *data: object) -> None:
        """Puts an event into the queue."""
        body = {
            'data': list(data),
            'fn_index': self.event(name)['id'],
            'session_hash': self.session,
        }
        self.http.post('/gradio_api/queue/join', json=body).raise_for_status()

    def answer(self) -> dict:
        """What became of it: `success` and `output`."""
        asked = {'session_hash': self.session}
        with self.http.stream('GET', '/gradio_api/queue/data', params=asked) as stream:
            for line in stream.iter_lines():
                found = json.loads(line.removeprefix('data:')) if line.startswith('data:') else {}
                if found.get('msg') == 'process_completed':
                    return found
        raise AssertionError('the stream ended without an answer')

    def ask(self, name: str, *data: object) -> dict:
        """Both."""
        self.join(name, *data)
        return self.answer()
