"""One row of the zoo as a page of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from cite.encoders.card import Card, Published
from cite.encoders.catalogue import aliases, how_to_get, licence_warnings, tuned_by
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

WIDTH = 110
INDENT = 14


def page(row: Published) -> str:
    """Everything that the zoo says of a model, and how to use it."""
    kind = {Card: 'vision backbone', TextCard: 'text encoder', PairCard: 'pair'}[type(row)]
    lines = [f'{row.name}, {kind}']
    for label, text in (*_common(row), *_own(row), *_use(row)):
        if text:
            lines += textwrap.wrap(
                text,
                WIDTH,
                initial_indent=f'  {label:<{INDENT - 2}}',
                subsequent_indent=' ' * INDENT,
                break_on_hyphens=False,
                break_long_words=False,
            )
    return '\n'.join(lines)


def _common(row: Published) -> Iterator[tuple[str, str]]:
    warnings = licence_warnings(row.licence)
    yield 'citation', row.citation
    yield 'licence', row.licence + (f' ({", ".join(warnings)})' if warnings else '')
    yield 'domain', row.domain
    yield 'also called', ', '.join(aliases(row))
    yield 'note', row.note


def _own(row: Published) -> Iterator[tuple[str, str]]:
    if isinstance(row, Card):
        yield 'feature', f'{row.feature_dim} numbers, {_FEATURES[row.feature]}'
        yield 'input', f'{row.image_size} x {row.image_size} px, in patches of {row.patch_size}'
        margin = f' to {row.resize_size} px' if row.resize_size != row.image_size else ''
        yield 'resizing', f'{_RESIZE[row.resize]}{margin}, {row.interpolation}'
        yield 'mean, std', f'{_numbers(row.mean)}, {_numbers(row.std)}'
        yield 'positions', f"resized as '{row.pos_interp}'"
        yield 'pixel size', f'{row.mpp:g} microns, of its training images' if row.mpp else ''
        options = ', '.join(f'{key}={value!r}' for key, value in row.arch_kwargs.items())
        yield 'built as', f'{row.tower}, {row.arch}' + (f' ({options})' if options else '')
        yield 'leftovers', ', '.join(row.leftovers)
    elif isinstance(row, TextCard):
        yield 'feature', f'{row.dim} numbers, pooling {row.pooling or "its own"}'
        options = ', '.join(f'{key}={value!r}' for key, value in row.options.items())
        yield 'read by', row.encoder + (f' ({options})' if options else '')
    elif isinstance(row, PairCard):
        yield 'halves', f'vision {row.vision}, text {row.text}'
        scale = f'{row.scale:g}' if isinstance(row.scale, float | int) else 'in its file'
        yield 'scale', f'{scale}: what multiplies cosines'
        yield 'templates', '; '.join(f'"{text}"' for text in row.templates)
        yield 'from', row.templates_from
    yield 'tuned by', ', '.join(tuned_by(row))


def _use(row: Published) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(how_to_get(row)):
        yield '' if number else 'get it', line
    if isinstance(row, Card):
        local = "; add weights='<file>' for a local one" if row.source else ''
        yield 'Python', f"cite.load_vision('{row.name}'){local}"
        yield 'config', f'cite train CONFIG --cfg-options model.backbone.model={row.name}'
        if row.source:
            yield '', 'and model.backbone.weights=<file> for a local one'
    elif isinstance(row, TextCard):
        plain = row.encoder == 'TextEncoder'
        local = "or cite.load_text('<folder>')" if plain else "add weights='<file>'"
        local = f'; {local} for a local one' if row.source else ''
        yield 'Python', f"cite.load_text('{row.name}'){local}"
        yield 'config', f'cite train CONFIG --cfg-options model.head.text_encoder.model={row.name}'
        if row.source:
            local = f'{"or" if plain else "and"} model.head.text_encoder.'
            local += 'model=<folder>' if plain else 'weights=<file>'
            yield '', f'{local} for a local one'
    elif isinstance(row, PairCard):
        local = "; add weights='<file>' for a local one of both" if row.source else ''
        yield 'Python', f"cite.load_pair('{row.name}'){local}"
        yield (
            'config',
            f'cite test patchgastric/zero_shot --cfg-options model.backbone.model={row.vision} '
            f'model.head.text_encoder.type=TextEncoder model.head.text_encoder.model={row.text}',
        )


def _numbers(values: tuple[float, ...]) -> str:
    return '(' + ', '.join(f'{value:g}' for value in values) + ')'


_FEATURES = {
    'token': 'the class token',
    'pool': "the architecture's own pooling",
    'token+mean': 'the class token and the mean of the patch tokens',
    'projection': 'the image embedding of a pair',
}
_RESIZE = {
    'shortest': 'shorter side scaled and centre cropped',
    'squash': 'both sides scaled',
    'pad': 'padded to a square and scaled',
}
