"""A sentencepiece vocabulary with the token numbers of XLM-R, without Hugging Face's wrapper.

That wrapper changed its way of reading such files more than once; all there is to it is an offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cite.errors import ModelError

BEGIN, PAD, END, UNKNOWN = range(4)
OFFSET = 1
"""fairseq puts a token for padding in front of the vocabulary's own."""


class SentencePieces:
    """Texts → token numbers, called as tokenizers of Hugging Face are.

    Args:
        path: The vocabulary ('tokenizer.spm').

    Raises:
        ModelError: The package sentencepiece is not installed, or the file is damaged.
    """

    all_special_ids = (BEGIN, PAD, END, UNKNOWN)

    def __init__(self, path: Path) -> None:
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise ModelError(
                f'{path.name} needs the package sentencepiece: pip install sentencepiece'
            ) from error
        try:
            self._pieces: Any = SentencePieceProcessor(model_file=str(path))
        except Exception as error:  # sentencepiece raises OSError, RuntimeError, TypeError
            raise ModelError(f'{path} is no sentencepiece vocabulary ({error})') from error

    def __len__(self) -> int:
        return OFFSET + int(self._pieces.get_piece_size())

    def __call__(
        self,
        texts: str | Sequence[str],
        padding: bool = False,
        return_tensors: str | None = None,
        truncation: bool = False,
        max_length: int | None = None,
    ) -> dict[str, Any]:
        """`input_ids` and `attention_mask` of one text as lists, or of several as tensors (B, L)."""
        if isinstance(texts, str):
            numbers = self._encode(texts, max_length if truncation else None)
            return {'input_ids': numbers, 'attention_mask': [1] * len(numbers)}
        rows = [self._encode(text, max_length if truncation else None) for text in texts]
        longest = max(map(len, rows))
        ids: Tensor = torch.full((len(rows), longest), PAD)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        return {'input_ids': ids, 'attention_mask': mask}

    def _encode(self, text: str, most: int | None) -> list[int]:
        unknown = self._pieces.unk_id()
        numbers = [
            UNKNOWN if number == unknown else number + OFFSET
            for number in self._pieces.encode(text, out_type=int)
        ]
        return [BEGIN, *(numbers if most is None else numbers[: most - 2]), END]
