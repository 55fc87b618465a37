from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import save_tiny_bert

from cite.encoders.card import Source
from cite.encoders.files import sources
from cite.encoders.files.sources import resolve_weights
from cite.encoders.text.bert import TextEncoder
from cite.encoders.zoo import CARDS, TEXT_CARDS, find_card
from cite.errors import ConfigError, ModelError

CARD = CARDS['clip-vit-b16']


def test_local_file_wins_over_the_hub(tmp_path):
    path = tmp_path / 'any.pth'
    path.touch()
    found = resolve_weights(CARD, str(path))
    assert (found.path, found.origin, found.revision) == (path, 'local', None)


@pytest.mark.parametrize(
    ('names', 'taken'),
    [
        (['config.json', 'model.safetensors', 'pytorch_model.bin'], 'model.safetensors'),
        (['pytorch_model.bin', 'other.bin'], 'pytorch_model.bin'),
        (['README.md', 'uni.pth'], 'uni.pth'),
        (['pytorch_model.bin.index.json', 'a.bin', 'b.bin'], 'pytorch_model.bin.index.json'),
        (['README.md', 'quilt.pth.tar'], 'quilt.pth.tar'),
        (['vit.torch'], 'vit.torch'),
        (['vit.npz'], 'vit.npz'),
    ],
)
def test_folder(tmp_path, names, taken):
    for name in names:
        (tmp_path / name).touch()
    assert resolve_weights(CARD, tmp_path).path.name == taken


def test_folder_with_several_files(tmp_path):
    for index in range(7):
        (tmp_path / f'epoch_{index}.pth').touch()
    with pytest.raises(ModelError, match=r'found epoch_0.pth, .* and 2 more. Pass the file'):
        resolve_weights(CARD, tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(ModelError, match='clip-vit-b16: no file or folder'):
        resolve_weights(CARD, tmp_path / 'missing.pth')


def test_card_of_a_local_model(tmp_path):
    (tmp_path / 'model.safetensors').touch()
    assert resolve_weights(replace(CARD, weights=tmp_path)).path.parent == tmp_path


def test_random_model_has_no_weights():
    with pytest.raises(ModelError, match='random by design'):
        resolve_weights(CARDS['random-vit-tiny'])


def test_hub_file_with_its_commit(monkeypatch):
    commit = '0123456789' * 4
    path = Path(f'cache/models--openai/snapshots/{commit}/model.safetensors')
    monkeypatch.setattr(sources, 'fetch', lambda source: path)
    found = resolve_weights(CARD)
    assert (found.path, found.origin, found.revision) == (
        path,
        'openai/clip-vit-base-patch16',
        commit,
    )


def test_gated_model_is_called_so_even_offline(monkeypatch):
    def offline(source: Source) -> Path:
        raise ModelError('no network')

    monkeypatch.setattr(sources, 'fetch', offline)
    page = r'https://huggingface\.co/openai/clip-vit-base-patch16'
    message = rf'clip-vit-b16: no network\. .*gated: accept its terms at {page}.*`hf auth login`'
    with pytest.raises(ModelError, match=message):
        resolve_weights(replace(CARD, gated=True))


BY_HAND = replace(
    CARD,
    name='ctrans',
    source=Source(None, ('published name.pth',), how='download it from https://x.org (GPL-3.0).'),
)


@pytest.fixture
def placed(tmp_path, monkeypatch) -> Path:
    """The folder that `$CITE_WEIGHTS` names; the hub is not asked."""

    def asked(source: Source) -> Path:
        raise AssertionError('asked the hub')

    monkeypatch.setattr(sources, 'fetch', asked)
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    'name',
    [
        'ctrans.safetensors',
        'ctrans.pth',
        'ctrans.pth.tar',
        'ctrans/model.safetensors',
        'ctrans/any.bin',
        'published name.pth',
    ],
)
def test_file_placed_by_hand(placed, name):
    (placed / 'other.pth').touch()
    (placed / 'ctrans').mkdir()  # without weights it says nothing
    (placed / name).touch()
    found = resolve_weights(BY_HAND)
    assert (found.path, found.origin, found.revision) == (placed / name, 'local', None)


def test_given_weights_win_over_placed_ones_and_those_over_the_hub(placed):
    for name in ('clip-vit-b16.pth', 'given.pth'):
        (placed / name).touch()
    assert resolve_weights(CARD).path.name == 'clip-vit-b16.pth'
    assert resolve_weights(CARD, placed / 'given.pth').path.name == 'given.pth'
    assert resolve_weights(replace(CARD, weights=placed / 'given.pth')).path.name == 'given.pth'


def test_names_that_say_nothing_of_the_model_are_not_taken(placed):
    (placed / 'model.safetensors').touch()  # one of the card's names on the hub
    (placed / 'owner').mkdir()
    (placed / 'owner' / 'repo.pth').touch()
    for card in (CARD, replace(CARD, name='hf-hub:owner/repo'), replace(CARD, name='owner/repo')):
        with pytest.raises(AssertionError, match='asked the hub'):
            resolve_weights(card)


def test_a_revision_that_is_asked_for_is_the_hubs(placed):
    (placed / 'clip-vit-b16.pth').touch()
    card = find_card('hf-hub:openai/clip-vit-base-patch16')
    assert card is not None
    assert resolve_weights(card).origin == 'local'
    pinned = find_card('hf-hub:openai/clip-vit-base-patch16@v1')
    assert pinned is not None
    with pytest.raises(AssertionError, match='asked the hub'):
        resolve_weights(pinned)


def test_text_encoders_are_looked_for_as_well(placed):
    (placed / 'biolinkbert-base.bin').touch()
    assert resolve_weights(TEXT_CARDS['biolinkbert-base']).path.name == 'biolinkbert-base.bin'


def test_how_to_get_what_is_on_no_hub(monkeypatch):
    monkeypatch.delenv('CITE_WEIGHTS', raising=False)
    with pytest.raises(ModelError) as caught:
        resolve_weights(BY_HAND)
    assert str(caught.value) == (
        'weights of ctrans are on no hub: download it from https://x.org (GPL-3.0). Then pass '
        'weights=<its path>, or put it into the folder that CITE_WEIGHTS names, as ctrans.pth or '
        'published name.pth'
    )


def test_a_folder_of_weights_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path / 'gone'))
    with pytest.raises(ConfigError, match=r'CITE_WEIGHTS names .*gone, which is no folder'):
        resolve_weights(CARD)


def test_text_folder_placed_by_hand(tmp_path, monkeypatch):
    folder = save_tiny_bert(tmp_path / 'biolinkbert-base')
    hub = TextEncoder('biolinkbert-base')
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path))
    encoder = TextEncoder('biolinkbert-base')
    expected = TextEncoder(str(folder), 'pooler_output').encode_text(['gland'])
    assert torch.equal(encoder.encode_text(['gland']), expected)
    assert encoder.settings() == hub.settings()  # the same model, wherever its files are
    assert str(encoder.fingerprint()).startswith('sha256 ')
    assert TextEncoder('biolinkbert-base', revision='v1').fingerprint() is None
    (folder / 'config.json').unlink()  # no folder in Hugging Face layout
    assert TextEncoder('biolinkbert-base').fingerprint() is None


def test_rows_that_read_one_file_share_its_place(tmp_path, monkeypatch):
    """CONCH's two features and its texts lie in one file."""
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path))
    (tmp_path / 'conch.bin').touch()
    for row in (CARDS['conch'], CARDS['conch-clip'], TEXT_CARDS['conch']):
        assert resolve_weights(row).path == tmp_path / 'conch.bin'
    (tmp_path / 'conch-clip.bin').touch()
    assert resolve_weights(CARDS['conch-clip']).path == tmp_path / 'conch-clip.bin'
