from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cite.encoders import sources
from cite.encoders.card import Source
from cite.encoders.sources import resolve_weights
from cite.encoders.zoo import CARDS
from cite.errors import ModelError

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
    with pytest.raises(ModelError, match=r'clip-vit-b16 \(a gated model\): no network'):
        resolve_weights(replace(CARD, gated=True))
