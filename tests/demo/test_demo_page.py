"""The page over HTTP: who reaches it, what it hands out, users apart, errors as messages."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from demo_cases import CLASSES
from page_client import User

from cite.demo import Settings

pytest.importorskip('gradio')


@pytest.fixture(scope='module')
def busy():
    """How many classify at the same time, and the most there were."""
    return {'now': 0, 'most': 0}


@pytest.fixture(scope='module')
def contacted():
    """Addresses that the process connected to."""
    return []


@pytest.fixture(scope='module')
def address(demo_files, busy, contacted, tmp_path_factory):
    from cite.demo import patch_tab
    from cite.demo.serve import served

    classify, connect = patch_tab.classify, socket.socket.connect

    def watched(*args):
        busy['now'] += 1
        busy['most'] = max(busy['most'], busy['now'])
        time.sleep(0.2)
        try:
            return classify(*args)
        finally:
            busy['now'] -= 1

    def noted(self, to):
        contacted.append(to[0] if isinstance(to, tuple) else 'a file')
        return connect(self, to)

    settings = Settings(
        folder=demo_files / 'images',
        slides=demo_files / 'slides',
        port=0,
        max_upload_mb=1,
        device='cpu',
    )
    with pytest.MonkeyPatch.context() as patching:
        patching.setenv('CITE_CACHE', str(tmp_path_factory.mktemp('page')))
        patching.setenv('GRADIO_ALLOWED_PATHS', '/')
        patching.setenv('GRADIO_SHARE', 'True')
        patching.setattr(patch_tab, 'classify', watched)
        patching.setattr(socket.socket, 'connect', noted)
        with served(settings) as found:
            yield found


@pytest.fixture
def user(address):
    return User(address)


def classify(user, patch, lines=CLASSES):
    image = user.file('patch.png', patch)
    return 'classified', image, 'tiny-tissue', lines, 'none'


@pytest.fixture
def patch(demo_files):
    return (demo_files / 'images/0.png').read_bytes()


def test_only_loopback_is_listened_to(address):
    port = urlsplit(address).port
    with socket.create_connection(('127.0.0.1', port), timeout=5):
        pass
    # an address of this machine that only a socket on all addresses would answer at
    with pytest.raises(OSError), socket.create_connection(('127.0.0.2', port), timeout=5):
        pass


def test_nobody_else_is_talked_to(user, contacted, patch):
    assert user.ask(*classify(user, patch))['success']
    other = [to for to in contacted if not to.startswith('127.')]
    assert set(other) <= {'::1', 'localhost', 'a file'}
    page = user.http.get('/').text + json.dumps(user.config)
    assert 'googleapis' not in page and 'cdnjs' not in page
    assert not user.config['analytics_enabled'] and not user.config.get('is_space')


def test_other_hosts_and_origins_are_refused(user):
    for headers in ({'Host': 'evil.org'}, {'Origin': 'https://evil.org'}, {'Origin': 'null'}):
        assert user.http.get('/config', headers=headers).status_code == 403
        sent = user.http.post('/gradio_api/upload', files={'files': ('a', b'a')}, headers=headers)
        assert sent.status_code == 403
    own = {'Origin': user.address}
    assert user.http.get('/config', headers=own).status_code == 200


def test_no_file_of_the_machine_is_handed_out(user, demo_files):
    for path in ('/etc/passwd', Path('pyproject.toml').resolve(), demo_files / 'images/0.png'):
        assert user.http.get(f'/gradio_api/file={path}').status_code in (403, 404)
    asked = {'path': '/etc/passwd', 'meta': {'_type': 'gradio.FileData'}}
    assert not user.ask('classified', asked, 'tiny-tissue', CLASSES, 'none')['success']
    asked = {'path': str(demo_files / 'slides/drawn.tif'), 'meta': {'_type': 'gradio.FileData'}}
    assert not user.ask('noticed', None, asked)['success']


def test_large_uploads_are_refused(user):
    assert user.upload('a.svs', bytes(2**20 - 1000)).status_code == 200
    assert user.upload('a.svs', bytes(2**20 + 1000)).status_code == 413


@pytest.mark.parametrize(
    ('content', 'lines', 'said'),
    [
        (b'no image', CLASSES, 'patch.png: this is no image'),
        (b'GIF89a no more', CLASSES, 'a GIF has'),
        (None, 'x' * 10_000, '10000 characters'),
        (None, '', 'two classes'),
    ],
)
def test_errors_are_one_line(user, patch, content, lines, said):
    found = user.ask(*classify(user, content or patch, lines))
    message = found['output']['error']
    assert not found['success'] and said in message
    assert '\n' not in message and 'Traceback' not in json.dumps(found)


def test_users_wait_for_each_other_and_get_their_own(address, patch, busy):
    users = [User(address) for _ in range(4)]
    found = {}

    def ask(number, user):
        lines = f'class {number}: well differentiated\nother: necrosis'
        found[number] = user.ask(*classify(user, patch, lines))

    threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy['most'] == 1
    files = set()
    for number in range(len(users)):
        bars, _, table, *_ = found[number]['output']['data']
        names = {one['label'] for one in bars['confidences']}
        assert names == {f'class {number}', 'other'}
        content = users[number].http.get(table['value']['url']).text
        assert f'class {number},' in content
        files.add(table['value']['path'])
    assert len(files) == len(users)


def test_a_slide_is_predicted_and_its_files_can_be_had(user):
    found = user.ask('predicted', 'drawn.tif', None, '', 'tiny-tissue', CLASSES, 'none', '', 'mean')
    rows, text, html, *files = found['output']['data']
    assert [row[0] for row in rows['data']] == ['well', 'poorly']
    assert 'Entropy' in text and '<cite-viewer' in html
    for file in files:
        assert user.http.get(file['value']['url']).status_code == 200
    for slide, said in (('silent.tif', 'Resolution of the slide'), ('glass.tif', 'tissue')):
        found = user.ask('predicted', slide, None, '', 'tiny-tissue', CLASSES, 'none', '', 'mean')
        assert said in found['output']['error']


def test_the_folder_is_searched(user):
    _, shown, _ = user.ask('of_text', 'necrosis', 3)['output']['data']
    assert len(shown) == 3 and 'cosine' in shown[0]['caption']
    assert user.http.get(shown[0]['image']['url']).status_code == 200


def test_nothing_stays(demo_files, tmp_path, monkeypatch):
    import tempfile

    from cite.demo.serve import page_of

    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    with page_of(Settings(device='cpu')) as (_, workspace):
        assert workspace.root.is_dir()
    assert not list(tmp_path.iterdir())
