"""The text half of MedCLIP's file → transformers' `BertModel` and the authors' projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cite.encoders.checkpoints.strict import load_strict
from cite.encoders.text.sizes import HEAD_WIDTH, matrix_sizes

if TYPE_CHECKING:
    from transformers import BertModel
    from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

MOST = 4.6052
"""The authors clamp the logarithm of their scale to this at every use."""


class MedCLIPBert(nn.Module):
    """BERT with its projection in front of the mean over tokens, which is the same as behind it."""

    def __init__(self, model: BertModel, dim: int) -> None:
        super().__init__()
        self.model = model
        self.projection_head = nn.Linear(model.config.hidden_size, dim, bias=False)

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
            output_hidden_states=True,
        )
        hidden = output.hidden_states
        output.last_hidden_state = self.projection_head((hidden[1] + hidden[2] + hidden[-1]) / 3)
        return output


def text_half(state: Mapping[str, Tensor], what: str) -> tuple[MedCLIPBert, float]:
    """The text half of a whole MedCLIP, and the logarithm of the pair's scale.

    Args:
        state: The file's names; the image half is ignored.
        what: Names the weights in the error.

    Raises:
        CheckpointError: A weight that is missing, unexpected or of another shape.
    """
    from transformers import BertConfig, BertModel

    embeddings = 'text_model.model.embeddings.'
    needed = (
        f'{embeddings}word_embeddings.weight',
        f'{embeddings}position_embeddings.weight',
        f'{embeddings}token_type_embeddings.weight',
        'text_model.model.encoder.layer.0.intermediate.dense.weight',
        'text_model.projection_head.weight',
    )
    sizes = matrix_sizes(state, needed, what, 'text half of MedCLIP')
    layers = {name.split('.')[4] for name in state if name.startswith('text_model.model.encoder.')}
    (vocabulary, width), (positions, _), (kinds, _), (inner, _), (dim, _) = sizes
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=len(layers),
        num_attention_heads=width // HEAD_WIDTH,
        max_position_embeddings=positions,
        type_vocab_size=kinds,
    )
    with torch.random.fork_rng(devices=[]):
        trunk = MedCLIPBert(BertModel(config, add_pooling_layer=False), dim).eval()
    load_strict(trunk, _convert(state), what)
    return trunk, min(max(float(state['logit_scale']), 0.0), MOST)


def _convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without BERT's pooler, which no feature passes through, and the numbers 0, 1, 2 …."""
    unused = ('model.pooler.', 'model.embeddings.position_ids')
    kept = {
        key.removeprefix('text_model.'): value.float()
        for key, value in state.items()
        if key.startswith('text_model.')
    }
    return {key: value for key, value in kept.items() if not key.startswith(unused)}
