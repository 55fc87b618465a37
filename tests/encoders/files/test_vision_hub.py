from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest

from cite.encoders.card import Source
from cite.encoders.files.hub import commit_of, fetch
from cite.errors import ModelError

SOURCE = Source('someone/model', ('model.safetensors', 'pytorch_model.bin'))
COMMIT = 'a' * 40


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty hub cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
    return tmp_path


def put(cache: Path, name: str) -> Path:
    repo = cache / 'models--someone--model'
    (repo / 'refs').mkdir(parents=True)
    (repo / 'refs' / 'main').write_text(COMMIT)
    path = repo / 'snapshots' / COMMIT / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b'weights')
    return path


def answer(monkeypatch, error: Exception) -> None:
    """The hub answers every question with this error."""
    import huggingface_hub

    def fail(url: str, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, 'get_hf_file_metadata', fail)


def test_cached_file_is_used_without_asking_the_hub(cache, monkeypatch):
    answer(monkeypatch, AssertionError('asked the hub'))
    path = put(cache, 'pytorch_model.bin')  # the second choice, too
    assert fetch(SOURCE) == path
    assert commit_of(path) == COMMIT


def hub_error(name: str) -> Exception:
    from huggingface_hub import errors

    return getattr(errors, name)('said the hub', response=MagicMock())


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (
            'GatedRepoError',
            r'gated: accept its terms at https://huggingface.co/someone/model.*HF_TO',
        ),
        ('RepositoryNotFoundError', 'no hub repository someone/model'),
        ('RevisionNotFoundError', "no revision 'main'"),
        ('RemoteEntryNotFoundError', 'has none of model.safetensors, pytorch_model.bin'),
        ('HfHubHTTPError', r'cannot get someone/model .*said the hub'),
    ],
)
def test_hub_errors_say_what_to_do(cache, monkeypatch, error, message):
    answer(monkeypatch, hub_error(error))
    with pytest.raises(ModelError, match=message):
        fetch(SOURCE)


def test_not_a_repository(cache):
    with pytest.raises(ModelError, match="'a b/c' is no hub repository"):
        fetch(Source('a b/c'))


def test_no_network(cache, monkeypatch):
    answer(monkeypatch, OSError('Name or service not known'))
    with pytest.raises(ModelError, match=r'service not known\).*pass weights=<its path>'):
        fetch(SOURCE)


def test_offline_variable(cache, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)  # the variable is read at import
    with pytest.raises(ModelError, match=r'not in the local hub cache and HF_HUB_OFFLINE is set'):
        fetch(SOURCE)
