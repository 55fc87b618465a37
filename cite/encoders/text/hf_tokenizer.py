"""Hugging Face tokenizers: loaded, and made to batch texts of different lengths."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from cite.errors import ModelError

_PACKAGES = {'sacremoses': 'sacremoses', 'sentencepiece': 'sentencepiece', 'protobuf': 'protobuf'}
_TIKTOKEN = '`tiktoken` is required'


def load_tokenizer(source: str, **options: Any) -> Any:
    """The tokenizer of a model.

    Raises:
        ModelError: It needs a package that is not installed; the package is named.
        Exception: Whatever else transformers and the hub's client raise.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source, **options)
    except (ImportError, ValueError) as error:
        message = str(error)
        # without sentencepiece, transformers takes its files for those of tiktoken
        package = 'sentencepiece' if _TIKTOKEN in message else None
        for word, name in _PACKAGES.items():
            package = package or (name if word in message.lower() else None)
        if package is None or _at_hand(package):
            raise
        raise ModelError(
            f'text encoder {source}: its tokenizer needs the package {package}, which is not installed: '
            f"pip install {package}, or all of the kind with the extra: pip install -e '.[text]'"
        ) from error


def _at_hand(package: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec({'protobuf': 'google.protobuf'}.get(package, package)) is not None
    except ModuleNotFoundError:
        return False


def fit_tokenizer(tokenizer: Any, model: nn.Module) -> None:
    """Makes batches give what single texts give.

    Padding goes behind the text, where causal attention and counted positions do not notice it. Where
    there is no padding token, or one that the model has no embedding for, another takes its place: the
    mask keeps it out. Only what the model takes is handed to it.
    """
    tokenizer.padding_side = 'right'
    rows = model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        others = (tokenizer.eos_token, tokenizer.unk_token, tokenizer.convert_ids_to_tokens(0))
        tokenizer.pad_token = next(token for token in others if token is not None)
    takes = inspect.signature(model.forward).parameters
    names = [name for name in tokenizer.model_input_names if name in takes]
    if 'attention_mask' not in names:
        names.append('attention_mask')
    tokenizer.model_input_names = names
