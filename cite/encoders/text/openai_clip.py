"""The text tower of a CLIP's file, in any names → transformers' `CLIPTextModelWithProjection`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cite.encoders.checkpoints.renaming import rename
from cite.encoders.checkpoints.strict import load_strict
from cite.encoders.text.sizes import HEAD_WIDTH, matrix_sizes

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
_TABLES = (
    'text_model.embeddings.token_embedding.weight',
    'text_model.embeddings.position_embedding.weight',
    'text_projection.weight',
)
_LAYER = 'text_model.encoder.layers.'


def text_tower(
    state: Mapping[str, Tensor], what: str, activation: str = 'quick_gelu'
) -> tuple[Any, float]:
    """The text tower of a whole CLIP, and the logarithm of the pair's scale.

    Args:
        state: Names of OpenAI and open_clip, or of transformers; the vision half and the numbers that
            OpenAI's archives carry are ignored.
        what: Names the weights in the error.
        activation: 'quick_gelu' or 'gelu'.

    Raises:
        CheckpointError: A weight that is missing, unexpected or of another shape.
    """
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    text = _from_transformers(state) or _from_openai(state)
    scale = {key: state[key] for key in ('logit_scale',) if key in state}
    half = 'CLIP text tower in OpenAI names or those of transformers'
    sizes = matrix_sizes({**text, **scale}, _TABLES, what, half)
    (vocabulary, width), (length, _), (dim, _) = sizes
    inner = text.get(f'{_LAYER}0.mlp.fc1.bias')
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width if inner is None else len(inner),
        projection_dim=dim,
        num_hidden_layers=len({n.split('.')[3] for n in text if n.startswith(_LAYER)}),
        num_attention_heads=width // HEAD_WIDTH,
        max_position_embeddings=length,
        hidden_act=activation,
        bos_token_id=vocabulary - 2,
        # transformers reads the 2 of CLIP's first configs as: the token with the highest number, which
        # is how OpenAI finds the end of the text
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        model = CLIPTextModelWithProjection(config).eval()
    load_strict(model, text, what)
    return model, float(state['logit_scale'])


def _from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: value.float()
        for key, value in state.items()
        if key.startswith(('text_model.', 'text_projection.')) and 'position_ids' not in key
    }


def _from_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
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
            turned = name == 'text_projection.weight' and value.ndim == 2
            out[name] = value.T.contiguous() if turned else value
    return out
