"""The text tower of a CLIP in OpenAI's names → transformers' `CLIPTextModelWithProjection`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cite.encoders.checkpoints.renaming import rename
from cite.encoders.checkpoints.strict import load_strict
from cite.errors import CheckpointError

_RENAMES = (
    (r'^token_embedding\.weight$', 'text_model.embeddings.token_embedding.weight'),
    (r'^positional_embedding$', 'text_model.embeddings.position_embedding.weight'),
    (r'^ln_final\.', 'text_model.final_layer_norm.'),
    (r'^text_projection$', 'text_projection.weight'),
    (r'^transformer\.resblocks\.', 'text_model.encoder.layers.'),
    (r'\.ln_([12])\.', r'.layer_norm\1.'),
    (r'\.attn\.out_proj\.', '.self_attn.out_proj.'),
    (r'\.mlp\.c_fc\.', '.mlp.fc1.'),
    (r'\.mlp\.c_proj\.', '.mlp.fc2.'),
)
HEAD_WIDTH = 64  # of every CLIP that OpenAI published


def text_tower(state: Mapping[str, Tensor], what: str) -> tuple[Any, float]:
    """The text tower of a whole CLIP, and the logarithm of the pair's scale.

    Args:
        state: OpenAI's names; `visual.*` and the numbers that its archives carry are ignored.
        what: Names the weights in the error.

    Raises:
        CheckpointError: A weight that is missing, unexpected or of another shape.
    """
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    needed = ('token_embedding.weight', 'positional_embedding', 'text_projection', 'logit_scale')
    missing = [name for name in needed if name not in state]
    if missing:
        raise CheckpointError(f'{what} holds no CLIP text tower in OpenAI names: no {missing}')
    shapes = [tuple(state[name].shape) for name in needed[:3]]
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] < HEAD_WIDTH:
        raise CheckpointError(
            f'{what} holds no CLIP text tower in OpenAI names: {", ".join(needed[:3])} have the shapes '
            f'{shapes}; expected matrices, {HEAD_WIDTH} wide or more'
        )
    layers = {name.split('.')[2] for name in state if name.startswith('transformer.resblocks.')}
    (vocabulary, width), length = state[needed[0]].shape, state[needed[1]].shape[0]
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=state['text_projection'].shape[1],
        num_hidden_layers=len(layers),
        num_attention_heads=width // HEAD_WIDTH,
        max_position_embeddings=length,
        hidden_act='quick_gelu',
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        model = CLIPTextModelWithProjection(config).eval()
    load_strict(model, _convert(state), what)
    return model, float(state['logit_scale'])


def _convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    text = ('token_embedding.', 'positional_embedding', 'ln_final.', 'text_projection')
    kept = {k: v.float() for k, v in state.items() if k.startswith((*text, 'transformer.'))}
    out: dict[str, Tensor] = {}
    for name, value in rename(kept, _RENAMES).items():
        before, joined, kind = name.partition('.attn.in_proj_')
        if joined:  # query, key and value in one
            for letter, part in zip('qkv', value.chunk(3), strict=True):
                out[f'{before}.self_attn.{letter}_proj.{kind}'] = part.clone()
        else:
            # CLIP multiplies by its projection from the right
            out[name] = value.T.contiguous() if name == 'text_projection.weight' else value
    return out
