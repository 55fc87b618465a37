"""MedCLIP's text half: Bio_ClinicalBERT, the mean over three of its layers and all tokens, projected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cite.encoders.files.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS
from cite.encoders.text.medclip_bert import text_half
from cite.encoders.text.paired import PairedTextEncoder
from cite.encoders.text.pooling import POOLINGS
from cite.encoders.text.tower import TextTower
from cite.tuning.base import Tuning

LIMIT = 77
"""Longest text in tokens, of the authors' processor."""


@TEXT_ENCODERS.register
class MedCLIPTextEncoder(PairedTextEncoder):
    """Text half of a MedCLIP (Wang et al., EMNLP 2022), from the one file that holds both.

    The authors' mean counts padding, so that a vector depends on the texts encoded beside it. Here
    each text gets what the authors' code makes of it alone.

    Args:
        model: Zoo name of the pair ('medclip-vit'), or a local folder or file.
        revision: Of the tokenizer on the hub.
        weights: File of the pair, or a folder with one.
        tokenizer: Hub id or folder of the tokenizer.
    """

    pooling = 'mean of layers 1, 2 and last, projected'

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, trunk, _ = self._load()
        dim = trunk.projection_head.out_features
        limit = min(LIMIT, trunk.model.config.max_position_embeddings)
        return TextTower(self.model, tokenizer, trunk, POOLINGS['mean'], dim, limit, tuning)

    def _read(self, path: Path) -> tuple[Any, float]:
        return text_half(read_state(path), str(path))
