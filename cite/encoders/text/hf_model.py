"""Hugging Face text models: BERT and its kin, decoders, the encoder of T5; strictly, in the right format.

transformers fills what a file lacks with random numbers and passes over what it holds besides, with a line
in the log. Here both are errors, except for heads that stand beside an encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from cite.encoders.text.hf_tokenizer import fit_tokenizer, load_tokenizer
from cite.encoders.text.hub import cached_first, explain_missing, quiet
from cite.encoders.text.random_bert import SEED
from cite.errors import CiteError, ModelError
from cite.precision import PRECISIONS, settle_precision

LARGE = 1_000_000_000
"""Parameters from which on 'auto' takes half precision: the weights fill a GPU otherwise."""

HEADS = (
    'cls.*', 'lm_head.*', 'output_projection.*', 'predictions.*', 'generator_*', 'mlm_head.*',
    'discriminator_predictions.*', 'vocab_*', 'lm_predictions.*', 'mask_predictions.*',
    'sop_classifier.*', 'classifier.*', 'qa_outputs.*', 'score.*', 'lm_loss.*', 'pred_layer.*',
    '*pooler.dense.*', '*position_ids', '*.rotary_emb.inv_freq',
)  # fmt: skip
"""What files hold beside an encoder: heads of its training, and buffers that older versions stored."""
T5_HEADS = ('decoder.*', 'lm_head.*')


@dataclass(frozen=True)
class HFModel:
    """A loaded text model.

    Attributes:
        tokenizer: Pads behind the text.
        model: In eval mode.
        has_pooler: Whether it has a pooler with trained weights.
        precision: Of its weights: 'fp32', 'bf16', 'fp16'.
    """

    tokenizer: Any
    model: Any
    has_pooler: bool
    precision: str


def load_hf(
    source: str,
    revision: str | None = None,
    trust_remote_code: bool = False,
    pretrained: bool = True,
    precision: str = 'auto',
    leftovers: Iterable[str] = (),
) -> HFModel:
    """Tokenizer and model of a folder or hub id; large ones on the GPU, where there is one.

    Args:
        precision: Of the weights. 'auto': float32, and half precision from a billion parameters.
        leftovers: Patterns of names that the file may hold besides.

    Raises:
        ModelError: It cannot be had, is of a kind that gives no text features, needs a package or foreign
            code, or its weights are incomplete, unexpected or of another shape.
        ConfigError: fp16 without a GPU.
    """
    options: Any = {'trust_remote_code': trust_remote_code}
    if revision:
        options['revision'] = revision

    def load(where: dict[str, Any]) -> tuple[Any, Any, Mapping[str, Any], str, torch.device]:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(source, **options, **where)
        builder = _builder(config, source)
        settled, device = _settle(precision, config, builder, trust_remote_code)
        dtype = PRECISIONS[settled] or torch.float32
        tokenizer = load_tokenizer(source, **options, **where)
        if not pretrained:
            model = _random(builder, config, trust_remote_code).to(dtype)
            return tokenizer, model, {'missing_keys': ['pooler']}, settled, device
        model, info = builder.from_pretrained(
            source,
            **options,
            **where,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told by name, by `_check`
            dtype=dtype,
        )
        return tokenizer, model, info, settled, device

    try:
        with quiet():
            tokenizer, model, info, settled, device = cached_first(load, source, revision)
    except CiteError:
        raise
    except Exception as error:  # transformers raises OSError, ValueError, hub errors, …
        raise ModelError(_why(source, error)) from error
    lacks_pooler = any('pooler' in key for key in info['missing_keys'])
    if pretrained:
        _check(source, model, info, leftovers)
        if lacks_pooler:
            model.pooler = None  # transformers fills it with random numbers, other ones each time
    has_pooler = getattr(model, 'pooler', None) is not None and not lacks_pooler
    if hasattr(model.config, 'use_cache'):
        model.config.use_cache = False  # of keys and values, for writing on
    fit_tokenizer(tokenizer, model)
    return HFModel(tokenizer, model.to(device).eval(), has_pooler, settled)


def is_large(model: nn.Module) -> bool:
    """Whether a model is too large to be kept for a few texts more."""
    return sum(parameter.numel() for parameter in model.parameters()) > LARGE


def _builder(config: Any, source: str) -> Any:
    """What builds the text side of such a model.

    Raises:
        ModelError: An encoder-decoder other than T5.
    """
    from transformers import AutoModel, T5EncoderModel

    if config.model_type == 't5':
        return T5EncoderModel
    if getattr(config, 'is_encoder_decoder', False):
        raise ModelError(
            f'text encoder {source} is an encoder-decoder ({config.model_type}); expected an encoder of '
            'BERT type, a decoder, or a T5, whose encoder is taken'
        )
    return AutoModel


def _settle(
    precision: str, config: Any, builder: Any, trust_remote_code: bool
) -> tuple[str, torch.device]:
    """Number format and device of the weights."""
    best = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if precision == 'fp32':
        return precision, torch.device('cpu')
    if precision != 'auto':
        return settle_precision(precision, best), best
    with torch.device('meta'):
        large = is_large(_built(builder, config, trust_remote_code))
    if not large:
        return 'fp32', torch.device('cpu')
    # on a CPU too, where it is slow: float32 would take twice the memory
    return (settle_precision('auto', best) if best.type == 'cuda' else 'bf16'), best


def _built(builder: Any, config: Any, trust_remote_code: bool) -> Any:
    if hasattr(builder, 'from_config'):
        return builder.from_config(config, trust_remote_code=trust_remote_code)
    return builder(config)


def _random(builder: Any, config: Any, trust_remote_code: bool) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return _built(builder, config, trust_remote_code).float()


def _check(source: str, model: Any, info: Mapping[str, Any], leftovers: Iterable[str]) -> None:
    """Refuses weights that would be random, and such as nothing is known of."""
    kind = type(model).__name__
    missing = sorted(
        key for key in info['missing_keys'] if 'position_ids' not in key and 'pooler' not in key
    )
    if missing:
        raise ModelError(
            f'text encoder {source}: its checkpoint lacks {len(missing)} weights of {kind} '
            f'({", ".join(missing[:5])}); they would be random. Use a checkpoint of the whole encoder'
        )
    shapes = sorted((key, tuple(found), tuple(own)) for key, found, own in info['mismatched_keys'])
    if shapes:
        shown = '; '.join(f'{key} is {found}, expected {own}' for key, found, own in shapes[:5])
        raise ModelError(
            f'text encoder {source}: {len(shapes)} weights of its checkpoint have other shapes than its '
            f'config.json says: {shown}'
        )
    allowed = (*HEADS, *(T5_HEADS if kind == 'T5EncoderModel' else ()), *leftovers)
    unexpected = sorted(
        key
        for key in info['unexpected_keys']
        if not any(fnmatchcase(key, pattern) for pattern in allowed)
    )
    if unexpected:
        raise ModelError(
            f'text encoder {source}: its checkpoint holds {len(unexpected)} weights that {kind} has not '
            f'({", ".join(unexpected[:5])}). If they are heads beside the encoder, name them: '
            "leftovers=['name.*']"
        )


def _why(source: str, error: Exception) -> str:
    from cite.encoders.zoo import TEXT_CARDS

    if 'trust_remote_code' in str(error):
        return (
            f'text encoder {source} comes with Python code of its own, which is not run. If you have read '
            'it and trust it, set trust_remote_code=True, and pin revision=<commit>'
        )
    return explain_missing('text encoder', source, error, TEXT_CARDS)
