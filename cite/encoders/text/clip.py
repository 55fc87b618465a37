"""CLIP's own text tower: end-of-text token → projection, in the space of its image features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.files.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS
from cite.encoders.text.hub import cached_first, explain_missing, fingerprint
from cite.encoders.text.openai_clip import text_tower
from cite.encoders.text.paired import PairedTextEncoder
from cite.encoders.text.pooling import as_it_is
from cite.encoders.text.tower import TextTower
from cite.errors import CiteError, ConfigError, ModelError
from cite.tuning.base import Tuning

ACTIVATIONS = ('quick_gelu', 'gelu')


@TEXT_ENCODERS.register
class CLIPTextEncoder(PairedTextEncoder):
    """Text half of a CLIP in the names of OpenAI, open_clip or Hugging Face.

    Args:
        model: Zoo name of the pair ('clip-vit-b16'), hub id, or a folder in Hugging Face layout.
        revision: Commit, tag or branch on the hub.
        weights: File of a whole CLIP ('ViT-B-16.pt'), or a folder with one; the tokenizer still comes
            from `model`.
        tokenizer: Hub id or folder of the tokenizer, where it is not the model's own.
        activation: Of the layers between: 'quick_gelu' (OpenAI's, the default) or 'gelu' (LAION's). A
            file does not say, and the wrong one loads without complaint. Models in Hugging Face layout
            outside the zoo say it in their config.
    """

    pooling = 'end-of-text token, projected'

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        weights: str | Path | None = None,
        tokenizer: str | None = None,
        activation: str | None = None,
    ) -> None:
        super().__init__(model, revision, weights, tokenizer)
        if activation not in (*ACTIVATIONS, None):
            raise ConfigError(
                f'activation must be one of {", ".join(ACTIVATIONS)}, found {activation!r}'
            )
        row = self.card.options.get('activation') if self.card else None
        self._says_itself = self.card is None and weights is None and activation is None
        self.activation = activation or row or ACTIVATIONS[0]

    def settings(self) -> dict[str, Any]:
        usual = self.activation == ACTIVATIONS[0]
        return {**super().settings(), **({} if usual else {'activation': self.activation})}

    def fingerprint(self) -> str | None:
        if self._says_itself:
            return fingerprint(self.source, self.revision)
        return super().fingerprint()

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, model, _ = self._load()
        trunk = _TextHalf(model)
        limit = model.text_model.config.max_position_embeddings
        dim = model.text_projection.out_features
        return TextTower(self.model, tokenizer, trunk, as_it_is, dim, limit, tuning)

    def _read(self, path: Path) -> tuple[Any, float]:
        return text_tower(read_state(path), str(path), self.activation)

    def _load(self) -> tuple[Any, Any, float]:
        if self._loaded is None and self._says_itself:
            self._loaded = self._from_pretrained()
        return super()._load()

    def _from_pretrained(self) -> tuple[Any, Any, float]:
        from transformers import CLIPModel

        revision: Any = {'revision': self.revision} if self.revision else {}

        def load(where: dict[str, Any]) -> Any:
            return CLIPModel.from_pretrained(
                self.source, **revision, **where, output_loading_info=True, dtype=torch.float32
            )

        try:
            model, info = cached_first(load, self.source, self.revision)
        except CiteError:
            raise
        except Exception as error:  # transformers raises OSError, ValueError, hub errors, …
            raise ModelError(explain_missing('CLIP text tower', self.source, error, ())) from error
        missing = [key for key in info['missing_keys'] if 'position_ids' not in key]
        if missing:
            raise ModelError(
                f'CLIP text tower {self.source}: its checkpoint lacks {len(missing)} weights '
                f'({", ".join(missing[:5])}); they would be random'
            )
        return self._load_tokenizer(None), model.eval(), model.logit_scale.item()


class _TextHalf(nn.Module):
    """What of a CLIP computes the embedding of a text."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text_model = model.text_model
        self.text_projection = model.text_projection

    def get_input_embeddings(self) -> nn.Module:
        """The table of token embeddings."""
        table: nn.Module = self.text_model.embeddings.token_embedding
        return table

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        output = self.text_model(input_ids=input_ids, attention_mask=attention_mask)
        embedding: Tensor = self.text_projection(output.pooler_output)
        return embedding
