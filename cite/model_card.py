"""The page that goes with an adapter: what it is, what it was trained on, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cite.adapter import AdapterInfo
from cite.encoders.zoo import get_card


def model_card(info: AdapterInfo, results: Mapping[str, Any] | None = None) -> str:
    """Markdown.

    Args:
        info: The adapter's metadata.
        results: Content of `results.json` of its test, where there was one.
    """
    from cite.evaluation.table import markdown_table

    card = get_card(info.backbone['model'])
    training = info.training
    lines = [
        f'# Adapter of {card.name}: {", ".join(info.classes)}',
        '',
        '**For research use, not for diagnosis.**',
        '',
        '## Base model',
        f'- {card.name}, {card.citation}; licence of its weights: {card.licence}. An adapter is used '
        'under the terms of its base model.',
        f'- Weights digest: `{info.tower_digest}`',
        *([f'- Note: {card.note}'] if card.note else []),
        '',
        '## What was trained',
        f'- {training.get("trained_parameters", "?"):,} parameters: {training.get("tuning", "?")}, '
        f'head {training.get("head", "?")}; {training.get("iterations", "?")} iterations, seed '
        f'{training.get("seed", "?")}, precision {info.precision}',
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
        lines += [f'On `{test.get("source", "?")}`:', '', markdown_table(dict(results))]
    versions = ', '.join(f'{k} {v}' for k, v in training.get('versions', {}).items())
    return '\n'.join([*lines, '', '## Versions', versions, ''])


def _data_lines(data: Mapping[str, Any]) -> list[str]:
    train = data.get('train', {})
    line = f'- Training data: `{train.get("source", "?")}`'
    if 'sha256' in train:
        line += f', sha256 `{train["sha256"][:16]}…`'
    if train.get('split_hash'):
        line += f', split `{train["split_hash"][:16]}…`'
    return [line]


def _text_lines(info: AdapterInfo) -> list[str]:
    if not info.anchors:
        return []
    texts = [
        f'  - {name}: “{text}”' for name, text in zip(info.classes, info.head['texts'], strict=True)
    ]
    return [
        f'- Text anchors by {info.anchors.get("model")} ({info.anchors.get("pooling")}):',
        *texts,
    ]


def _input_line(preprocessing: Mapping[str, Any]) -> str:
    size = preprocessing['image_size']
    line = f'RGB patches, resized to {size} × {size} pixels ({preprocessing["interpolation"]})'
    if preprocessing.get('patch_size'):
        line += f', cut at {preprocessing["patch_size"]} pixels'
    if preprocessing.get('mpp'):
        line += f', {preprocessing["mpp"]} microns per pixel'
    return line
