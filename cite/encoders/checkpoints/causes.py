"""Why weights may not fit a model, guessed from names and shapes: what the error of strict loading adds.

The rules compare timm's names, which every layout is converted to, and are tried in the order below: the
first that applies speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cite.encoders.zoo import CARDS

if TYPE_CHECKING:
    from cite.encoders.card import Card
    from cite.encoders.towers.stages import Stages

Shapes = Mapping[str, tuple[int, ...]]

_TEXT = ('word_embeddings.weight', 'token_embedding.weight', 'shared.weight', 'embed_tokens.weight')
TEXT_ONLY = 'It holds a text encoder and nothing that sees: load it with load_text'
WHOLE = (
    "All of the model's weights are there. If the rest is no part of what makes the feature (a head, a "
    'decoder), save the weights without it'
)
_SEEING = ('patch', 'conv', 'visual', 'stem')
# depends on image size, class token and use, not on the size of the model
_OF_THE_USE = ('pos_embed', 'cls_token', 'norm.*', 'fc_norm.*', 'head.*')


def likely_cause(found: Shapes, wanted: Shapes) -> str:
    """One or two sentences on what is probably wrong and what to do.

    Args:
        found: Name → shape of the weights, in the model's names as far as they could be converted.
        wanted: Name → shape of the model's.
    """
    for rule in (_prefix, _text):
        cause = rule(found, wanted)
        if cause:
            return cause
    causes = (rule(found, wanted) for rule in _RULES)
    cause = next((cause for cause in causes if cause), 'They are probably of another architecture')
    if cause == WHOLE:
        return cause
    names = fitting(found)
    if names:
        return f'{cause}. Models of the zoo with such weights: {names}'
    return f'{cause}. Use the weights of this very architecture, or name the model (model=) they belong to'


def text_only(names: Mapping[str, object]) -> bool:
    """Whether names of weights are those of a text encoder, with nothing that sees."""
    return any(name.endswith(_TEXT) for name in names) and not any(
        word in name for name in names for word in _SEEING
    )


def fitting(found: Shapes, most: int = 5) -> str:
    """Vision transformers of the zoo that weights in timm's names fit, but for position grid and head.

    Returns:
        Up to `most` names and how many more; '' where there are none.
    """
    from cite.encoders.towers.stages import STAGES
    from cite.encoders.towers.vit import PlainViT

    if len(found.get('patch_embed.proj.weight', ())) != 4:
        return ''
    width, _, _, patch = found['patch_embed.proj.weight']
    block = {k: v for k, v in found.items() if not re.match(r'blocks\.[1-9]', k)}
    fits: dict[str, bool] = {}  # many models share an architecture
    names: list[str] = []
    for card in CARDS.values():
        stages = STAGES.get(card.tower)
        dims = {'token': width, 'token+mean': 2 * width}
        size = (dims.get(card.feature, card.feature_dim), patch)
        if not issubclass(stages, PlainViT) or (card.feature_dim, card.patch_size) != size:
            continue
        kwargs = {k: v for k, v in card.arch_kwargs.items() if k != 'weight_init'}
        card = replace(card, arch_kwargs={**kwargs, 'weight_init': 'skip'})
        one = replace(card, arch_kwargs={**card.arch_kwargs, 'depth': 1})  # soon built
        key = f'{card.tower} {card.arch} {sorted(card.arch_kwargs.items())}'
        if key not in fits:
            fits[key] = all(
                _core(_shapes(stages, c)) == _core(f) for c, f in ((one, block), (card, found))
            )
        if fits[key]:
            names.append(card.name)
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def _shapes(stages: type[Stages], card: Card) -> Shapes:
    import torch

    with torch.device('meta'):
        trunk = stages.build(card, card.image_size)
    return {name: tuple(value.shape) for name, value in trunk.state_dict().items()}


def _core(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {
        key: shape
        for key, shape in shapes.items()
        if not any(fnmatchcase(key, pattern) for pattern in _OF_THE_USE)
    }


def _prefix(found: Shapes, wanted: Shapes) -> str:
    for here, there, said in (
        (
            found,
            wanted,
            "Its names begin with {!r}, the model's do not: save the weights without it",
        ),
        (wanted, found, "The model's names begin with {!r}, those of the weights do not"),
    ):
        first = next(iter(sorted(there.keys() - here.keys(), key=len, reverse=True)), None)
        ends = [key for key in here if first and key.endswith(f'.{first}')]
        for key in ends:
            prefix = key.removesuffix(str(first))
            if sum(f'{prefix}{name}' in here for name in there) > len(there) / 2:
                return said.format(prefix)
    return ''


def _text(found: Shapes, wanted: Shapes) -> str:
    if text_only(found) and not text_only(wanted):
        return TEXT_ONLY
    return ''


def _patch(found: Shapes, wanted: Shapes) -> str:
    here, there = (s.get('patch_embed.proj.weight', (0,))[-1] for s in (found, wanted))
    if here and there and here != there:
        return f'The weights cut images into patches of {here} pixels, the model into {there}'
    return ''


def _width(found: Shapes, wanted: Shapes) -> str:
    for name, there in wanted.items():
        here = found.get(name, there)
        if len(here) == len(there) == 1 and here != there and re.search(r'norm\w*\.weight$', name):
            return f'The weights are {here[0]} wide, the model {there[0]}: one of another size'
    return ''


def _depth(found: Shapes, wanted: Shapes) -> str:
    here, there = _stacks(found), _stacks(wanted)
    for stack in there:
        if stack in here and here[stack] != there[stack]:
            return (
                f'The weights have {here[stack]} layers in {stack}, the model {there[stack]}: '
                'one of another size'
            )
    return ''


def _stacks(shapes: Shapes) -> dict[str, int]:
    depths: dict[str, int] = {}
    for name in shapes:
        at = re.match(r'(.*?)\.(\d+)\.', name)
        if at:
            depths[at[1]] = max(depths.get(at[1], 0), int(at[2]) + 1)
    return depths


def _mlp(found: Shapes, wanted: Shapes) -> str:
    kinds = {True: 'gated (SwiGLU)', False: 'plain'}
    here, there = _gated(found), _gated(wanted)
    if here is None or there is None or here == there:
        return ''
    return f'The MLP of the weights is {kinds[here]}, that of the model {kinds[there]}'


def _gated(shapes: Shapes) -> bool | None:
    """Whether the first half of an MLP is twice as wide as what enters the second."""
    ends = (('fc1', 'fc2'), ('w12', 'w3'))
    for name, shape in shapes.items():
        for first, second in ends:
            other = shapes.get(name.replace(f'.{first}.', f'.{second}.'))
            if name.endswith(f'.mlp.{first}.weight') and other is not None:
                return shape[0] == 2 * other[1]
    return None


def _registers(found: Shapes, wanted: Shapes) -> str:
    here, there = (
        next((s[n][-2] for n in ('reg_token', 'register_tokens') if n in s), 0)
        for s in (found, wanted)
    )
    if here != there:
        return f'The weights have {here or "no"} registers, the model {there or "none"}'
    return ''


def _layer_scale(found: Shapes, wanted: Shapes) -> str:
    here, there = (any('.ls1.' in name for name in s) for s in (found, wanted))
    have = ('have', 'has none') if here else ('have no', 'has it')
    return f'The weights {have[0]} LayerScale, the model {have[1]}' if here != there else ''


def _pooled_norm(found: Shapes, wanted: Shapes) -> str:
    here, there = ('fc_norm.weight' in s for s in (found, wanted))
    if here == there:
        return ''
    kinds = {True: 'behind a mean of the patches (fc_norm)', False: 'on every token (norm)'}
    return f'The last norm of the weights acts {kinds[here]}, that of the model {kinds[there]}'


def _positions(found: Shapes, wanted: Shapes) -> str:
    here, there = found.get('pos_embed'), wanted.get('pos_embed')
    if here and there and here != there and len(here) == len(there) == 3:
        return (
            f'The weights have {here[1]} positions, the model {there[1]}: the grid of another image '
            'size, or tokens without one'
        )
    return ''


def _besides(found: Shapes, wanted: Shapes) -> str:
    return WHOLE if all(found.get(name) == shape for name, shape in wanted.items()) else ''


_RULES: tuple[Callable[[Shapes, Shapes], str], ...] = (
    _patch,
    _width,
    _depth,
    _mlp,
    _registers,
    _layer_scale,
    _pooled_norm,
    _positions,
    _besides,
)
