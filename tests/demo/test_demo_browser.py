"""The page in a browser: every tab used, nothing fetched from elsewhere, an error shown as a message."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from cite.demo import Settings

pytest.importorskip('gradio')
sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason='no chromium on the path'),
]


@pytest.fixture(scope='module')
def address(demo_files, tmp_path_factory):
    from cite.demo.serve import served

    with pytest.MonkeyPatch.context() as patching:
        patching.setenv('CITE_CACHE', str(tmp_path_factory.mktemp('browser')))
        folders = {'folder': demo_files / 'images', 'slides': demo_files / 'slides'}
        with served(Settings(port=0, max_upload_mb=1, device='cpu', **folders)) as found:
            yield found


@pytest.fixture
def seen(address, demo_files):
    """The page, and whatever it asked for or complained of."""
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        page = browser.new_page(viewport={'width': 1360, 'height': 1100})
        asked, failed = [], []
        page.on('request', lambda request: asked.append(request.url))
        page.on('pageerror', lambda error: failed.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert not failed
    assert asked and not [url for url in asked if not url.startswith((address, 'data:', 'blob:'))]


def tab(page, name):
    page.get_by_role('tab', name=name).click()


def colours(page, path):
    """How many different colours a screenshot has: an empty page has few."""
    page.screenshot(path=path)
    return len(np.unique(np.asarray(Image.open(path).convert('RGB')).reshape(-1, 3), axis=0))


def test_a_patch_is_classified_and_explained(seen, demo_files, tmp_path):
    empty = colours(seen, tmp_path / 'empty.png')
    note = seen.get_by_text('For research use only, not for diagnosis.').locator('visible=true')
    note.first.wait_for(timeout=20_000)
    seen.locator('input[type=file]').first.set_input_files(demo_files / 'images/0.png')
    seen.locator('img[src*="file="]').first.wait_for()
    seen.get_by_role('button', name='Classify').click()
    seen.get_by_text('Softmax of').wait_for()
    seen.locator('img[src*="file="]').nth(1).wait_for()  # the map
    with seen.expect_download() as found:
        seen.get_by_text('scores.csv').click()
    assert 'well' in found.value.path().read_text()
    assert colours(seen, tmp_path / 'full.png') > empty + 1000


def test_errors_are_messages(seen, tmp_path):
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'no image')
    seen.locator('input[type=file]').first.set_input_files(bad)
    seen.get_by_text('bad.png: this is no image').wait_for()
    seen.get_by_label('Classes').fill('')
    seen.get_by_role('button', name='Classify').click()
    seen.get_by_text('bad.png: this is no image').nth(1).wait_for()
    assert 'Traceback' not in seen.content()
    tab(seen, 'Slide')
    large = tmp_path / 'large.svs'
    large.write_bytes(bytes(2**21))
    seen.locator('input[type=file][accept*=".svs"]').set_input_files(large)
    seen.get_by_text('maximum allowed size').wait_for()


def test_a_folder_is_searched(seen, demo_files):
    tab(seen, 'Retrieval')
    seen.get_by_placeholder('tumour').fill('necrosis')
    seen.get_by_role('button', name='Search by text').click()
    seen.get_by_text('1 · cosine').first.wait_for()
    assert seen.get_by_text('· cosine').count() >= 4
    fields = seen.locator('input[type=file][accept*=image]')
    fields.last.set_input_files(demo_files / 'images/sub/2.png')
    seen.locator('img[src*="2.png"], img[src*="image.png"]').first.wait_for()
    seen.get_by_role('button', name='Search by image').click()
    seen.get_by_text('1 · cosine 1.000').first.wait_for()


def test_a_slide_is_predicted_and_moved_about(seen):
    tab(seen, 'Slide')
    seen.get_by_label('Slide', exact=True).click()
    seen.get_by_role('option', name='drawn.tif').click()
    seen.get_by_text('The file says 0.75').wait_for()
    seen.get_by_role('button', name='Predict').click()
    viewer = seen.locator('cite-viewer')
    viewer.wait_for(timeout=60_000)
    layer = viewer.locator('.layer')
    whole, said = layer.get_attribute('style'), viewer.locator('.scale').inner_text()
    box = viewer.locator('.stage').bounding_box()
    seen.mouse.move(box['x'] + 300, box['y'] + 300)
    seen.mouse.wheel(0, -2000)
    seen.wait_for_function('text => document.querySelector(".scale").innerText !== text', arg=said)
    near = layer.get_attribute('style')
    seen.mouse.down()
    seen.mouse.move(box['x'] + 350, box['y'] + 320)
    seen.mouse.up()
    assert len({whole, near, layer.get_attribute('style')}) == 3
    viewer.get_by_role('button', name='show the whole slide').click()
    assert layer.get_attribute('style') == whole
    before = viewer.locator('img.map').get_attribute('src')
    viewer.locator('select').select_option(index=1)
    assert viewer.locator('img.map').get_attribute('src') != before
    viewer.locator('input[type=range]').fill('0')
    assert viewer.locator('img.map').evaluate('e => e.style.opacity') == '0'
