"""The page that goes with an adapter: what it is, what it was trained on, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cite.adapter import AdapterInfo, base_licences
from cite.encoders.catalogue import licence_warnings
from cite.encoders.zoo import get_card
from cite.evaluation.table import markdown_table, markdown_text


def model_card(info: AdapterInfo, results: Mapping[str, Any] | None = None) -> str:
    """Markdown.

    Args:
        info: The adapter's metadata.
        results: Content of `results.json` of its test, where there was one.
    """
    card = get_card(info.backbone['model'])
    training = info.training
    licences = base_licences(info)
    lines = [
        f'# Adapter of {_text(card.name)}: {_text(", ".join(info.classes))}',
        '',
        '**For research use, not for diagnosis.**',
        '',
        '## Base model',
        f'- {_text(card.name)}, {_text(card.citation)}; licence of its weights: '
        f'{_text(licences["vision"]["licence"])}. An adapter is used under the terms of its base model.',
        *_terms(licences),
        f'- Weights digest: {_code(info.tower_digest)}',
        *([f'- Note: {_text(card.note)}'] if card.note else []),
        '',
        '## What was trained',
        f'- {_count(training.get("trained_parameters"))} parameters: '
        f'{_code(training.get("tuning", "?"))}, head {_code(training.get("head", "?"))}; '
        f'{_count(training.get("iterations"))} iterations, seed {_text(training.get("seed", "?"))}, '
        f'precision {_text(info.precision)}',
        *_data_lines(training.get('data', {})),
        *_text_lines(info),
        '',
        '## Input',
        f'- {_input_line(info.preprocessing)}',
        '',
        '## Results',
    ]
    if results is None:
        lines.append('Not tested yet: `cite test CONFIG CHECKPOINT` fills this in.')
    else:
        test = results.get('about', {}).get('data', {}).get('test', {})
        lines += [f'On {_code(test.get("source", "?"))}:', '', markdown_table(dict(results))]
    versions = ', '.join(f'{k} {v}' for k, v in training.get('versions', {}).items())
    return '\n'.join([*lines, '', '## Versions', _text(versions), ''])


def _terms(licences: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The text encoder's licence, and in one line what the two forbid."""
    lines = []
    if 'text' in licences:
        text = licences['text']
        lines.append(
            f'- Text encoder {_text(text["name"])}; licence of its weights: {_text(text["licence"])}'
        )
    forbids = [
        f'{_text(one["name"])} is {" and ".join(warnings)}'
        for one in licences.values()
        if (warnings := licence_warnings(one['licence']))
    ]
    return [*lines, *([f'- **Terms: {"; ".join(forbids)}.**'] if forbids else [])]


def _data_lines(data: Mapping[str, Any]) -> list[str]:
    train = data.get('train', {})
    line = f'- Training data: {_code(train.get("source", "?"))}'
    if 'sha256' in train:
        line += f', sha256 {_code(train["sha256"])}'
    if train.get('split_hash'):
        line += f', split {_code(train["split_hash"])}'
    return [line]


def _text_lines(info: AdapterInfo) -> list[str]:
    if not info.anchors:
        return []
    if 'texts' not in info.head:  # learned words, for each image anew
        return [f'- Class names encoded by {_text(info.anchors.get("model", "?"))}']
    texts = [
        f'  - {_text(name)}: “{_text(text)}”'
        for name, text in zip(info.classes, info.head['texts'], strict=True)
    ]
    model, pooling = info.anchors.get('model', '?'), info.anchors.get('pooling', '?')
    return [f'- Text anchors by {_text(model)} ({_text(pooling)}):', *texts]


def _input_line(preprocessing: Mapping[str, Any]) -> str:
    size = preprocessing['image_size']
    fit = preprocessing.get('fit') or preprocessing  # the config's way, or the authors'
    how = fit['interpolation']
    line = f'RGB patches, resized to {size} × {size} pixels ({how})'
    if preprocessing.get('patch_size'):
        line += f', cut at {preprocessing["patch_size"]} pixels'
    if preprocessing.get('mpp'):
        line += f', {preprocessing["mpp"]} microns per pixel'
    stain = preprocessing.get('stain')
    if stain:
        slides = stain.get('fitted_on', {}).get('slides', '?')
        line += f'; stain normalised ({_text(stain["method"])}, fitted on {_text(slides)} slides)'
    return line


def _text(value: object) -> str:
    """As plain text on one line."""
    return markdown_text(' '.join(str(value).split()))


def _code(value: object) -> str:
    """As it is, on one line, in a code span; the spans of Markdown know no escapes."""
    return '`' + ' '.join(str(value).replace('`', "'").split()) + '`'


def _count(value: object) -> str:
    return f'{value:,}' if isinstance(value, int) else '?'
