"""Writes docs/models.md: the model zoo as three tables, from its rows.

python tools/model_table.py          writes the page
python tools/model_table.py --check  says whether it is stale, and ends with 1 if it is
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from cite.encoders.card import Card, Published
from cite.encoders.catalogue import aliases, licence_warnings, tuned_by
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard
from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS
from cite.evaluation.table import markdown_text

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'models.md'

INTRODUCTION = """\
<!-- Written by tools/model_table.py from the rows in cite/encoders/cards; edits here are lost. -->
# Models

Every model below is swapped in by its name; image size, resizing, normalisation, feature length and text
pooling follow from its row. `cite models` lists them in the terminal, `cite models NAME` shows one with all
that its row says.

```sh
cite models --domain pathology --open
cite models uni2-h
cite doctor uni2-h
cite train patchgastric/cite --cfg-options model.backbone.model=uni2-h
cite train patchgastric/cite --cfg-options model.head.text_encoder.model=pubmedbert-base
```

**Getting the weights.** Models on the Hugging Face hub are fetched at first use and then come from its
cache. Gated ones (*) ask you to accept their terms on their page first; then run `hf auth login`. Files
that are on no hub are fetched by hand: pass their path (`weights=…`), or put them into one folder, name it
by `CITE_WEIGHTS`, and call a file by the model's name (`uni.safetensors`, `uni.pth`, or a folder `uni/`)
or leave it as its authors call it. `cite doctor NAME` says what is missing.

**Strictness.** Official files load as they are, in the layouts that their authors publish. A weight that
is missing, unknown or of another shape is an error, not a line in a log.

**Licences** are those of the weights as their authors state them, in short; the page of a model has the
wording. Adapters are used under the terms of both base models, vision and text.

**Outside the zoo**: `timm:<name>`, `hf-hub:<owner/repo>` with timm's `config.json`, any text model of
transformers by its hub id (encoders, decoders, T5), local folders, and
[a row of your own](add_a_backbone.md).

*tuned by*: what can train inside (prompts among the tokens need a transformer, plain or Swin; LoRA needs
linear layers). *px* is the side of the input, *patch* that of what becomes a token.
"""


def main() -> int:
    """Writes or checks the page; the exit code."""
    parser = argparse.ArgumentParser(description='The model table of the documentation.')
    parser.add_argument('--check', action='store_true', help='write nothing; 1 if it is stale')
    args = parser.parse_args()
    text = page()
    if not args.check:
        PAGE.write_text(text, encoding='utf-8')
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding='utf-8') == text:
        return 0
    print(f'{PAGE} is stale: run python tools/model_table.py', file=sys.stderr)
    return 1


def page() -> str:
    """The whole page."""
    return '\n'.join(
        [
            INTRODUCTION,
            *_section('Vision backbones', VISION, CARDS.values(), _vision),
            *_section('Text encoders', TEXT, TEXT_CARDS.values(), _text),
            *_section('Pairs', PAIR, PAIRS.values(), _pair),
        ]
    )


VISION = ('name', 'feature', 'px', 'patch', 'tuned by', 'domain', 'licence', 'get it', 'citation')
TEXT = ('name', 'feature', 'pooling', 'tuned by', 'domain', 'licence', 'get it', 'citation')
PAIR = ('name', 'halves', 'templates', 'domain', 'licence', 'get it', 'citation')


def _section(title, head, rows: Iterable[Published], cells) -> list[str]:  # type: ignore[no-untyped-def]
    rows = list(rows)
    lines = [f'## {title}', '', f'| {" | ".join(head)} |', '|' + '---|' * len(head)]
    for row in rows:
        lines.append(f'| {" | ".join((f"`{row.name}`", *cells(row), *_end(row)))} |')
    notes = [f'- `{row.name}`: {markdown_text(row.note)}' for row in rows if row.note]
    return [*lines, '', *(['Notes:', '', *notes, ''] if notes else [])]


def _vision(row: Card) -> tuple[str, ...]:
    ways = ', '.join(tuned_by(row))
    return f'{row.feature_dim} ({row.feature})', str(row.image_size), str(row.patch_size), ways


def _text(row: TextCard) -> tuple[str, ...]:
    return str(row.dim), row.pooling or 'its own', ', '.join(tuned_by(row))


def _pair(row: PairCard) -> tuple[str, ...]:
    halves = dict.fromkeys((row.vision, row.text))
    return ' + '.join(f'`{name}`' for name in halves), '<br>'.join(
        map(markdown_text, row.templates)
    )


def _end(row: Published) -> tuple[str, ...]:
    forbids = [w for w in licence_warnings(row.licence) if w not in row.licence.lower()]
    licence = markdown_text(row.licence) + (f' ({", ".join(forbids)})' if forbids else '')
    names = ''.join(f'; also `{name}`' for name in aliases(row))
    return row.domain, licence, _get(row) + names, markdown_text(row.citation)


def _get(row: Published) -> str:
    star = r' \*' if row.gated else ''
    if row.source is None:
        inside = getattr(row, 'weights', None) or getattr(row, 'folder', None)
        return 'inside' if inside or isinstance(row, PairCard) else 'random'
    if row.source.repo:
        return f'[{row.source.repo}](https://huggingface.co/{row.source.repo}){star}'
    return f'by hand: {row.source.how}{star}'


if __name__ == '__main__':
    sys.exit(main())
