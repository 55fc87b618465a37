"""Which models know texts, and what to say of those that do not."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from cite.encoders.pair_file import read_pair_info
from cite.encoders.zoo import PAIRS
from cite.errors import CiteError, ConfigError


def knows_texts(model: str) -> bool:
    """Whether a model is a pair: a published one, or the file of one that was trained."""
    if model in PAIRS:
        return True
    try:
        read_pair_info(model)
    except (CiteError, OSError):
        return False
    return True


def refuse_texts(model: str) -> None:
    """Says that a model knows no texts, unless its name is nearly that of a pair or a file.

    Raises:
        ConfigError: Naming pairs.
    """
    if Path(model).suffix == '.safetensors' or get_close_matches(model, PAIRS, n=1, cutoff=0.8):
        return
    raise ConfigError(
        f'{model} is no pair: a vision model alone knows no texts, and finds images by --query-image. '
        'Texts need a pair, such as plip, quiltnet-b32, tiny-tissue (cite models --kind pair lists them), '
        'or a pair.safetensors'
    )
