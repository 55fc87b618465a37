"""The zoo as it is shown to people: which rows are asked for, how a model is got, what can tune it.

Imports nothing heavy: `cite models` answers in well under a second.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from cite.encoders.card import Card, Published
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard
from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS

KINDS = {'vision': Card, 'text': TextCard, 'pair': PairCard}

_ALL, _NO_PROMPTS, _ONLY_FULL = ('prompts', 'LoRA', 'full'), ('LoRA', 'full'), ('full',)
TUNED_BY = {
    'PlainViT': _ALL,
    'PooledViT': _ALL,
    'ProjectedViT': _ALL,
    'HIPT4K': _ALL,
    'Swin': _ALL,
    'InternImage': _NO_PROMPTS,
    'ConvNet': _NO_PROMPTS,
    'AnyModel': _ONLY_FULL,
    'TextEncoder': _ALL,
    'ProjectedTextEncoder': _ALL,
    'MedCLIPTextEncoder': _ALL,
    'CLIPTextEncoder': _NO_PROMPTS,
    'CONCHTextEncoder': _NO_PROMPTS,
    'MUSKTextEncoder': _NO_PROMPTS,
}
"""What the kinds of towers that come with the library say of themselves, without importing them. A kind
that is not here is asked."""

LICENCE_WARNINGS = (
    (('-nc', 'non-commercial', 'research only', 'research use'), 'non-commercial'),
    (('-nd', 'no derivatives'), 'no derivatives'),
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of the zoo is asked for; nothing given is everything.

    Attributes:
        text: In the name, an alias, the hub id or the citation.
        kind: 'vision', 'text', 'pair'.
        domain, licence: As the rows say, the licence in part.
        gated: Only those whose terms must be accepted, or only those that are open.
        prompts: Only those that prompts can tune.
    """

    text: str = ''
    kind: str | None = None
    domain: str | None = None
    licence: str | None = None
    gated: bool | None = None
    prompts: bool = False

    def fits(self, row: Published) -> bool:
        """Whether a row is among them."""
        words = ' '.join((row.name, hub_id(row) or '', row.citation, *aliases(row))).lower()
        return (
            self.text.lower() in words
            and (self.kind is None or isinstance(row, KINDS[self.kind]))
            and (self.domain is None or row.domain == self.domain)
            and (self.licence is None or self.licence.lower() in row.licence.lower())
            and (self.gated is None or row.gated == self.gated)
            and (not self.prompts or 'prompts' in tuned_by(row))
        )


def all_rows() -> Iterator[Published]:
    """Vision models, text encoders, pairs, in the order of the zoo's files."""
    yield from CARDS.values()
    yield from TEXT_CARDS.values()
    yield from PAIRS.values()


def named(name: str) -> list[Published]:
    """The rows of that very name, alias or hub id, in whatever case."""
    wanted = name.lower()
    return [
        row
        for row in all_rows()
        if wanted in (n.lower() for n in (row.name, hub_id(row) or '', *aliases(row)))
    ]


def close_names(name: str, count: int = 5) -> list[str]:
    """Names of the zoo that a misspelt one may have meant, closest first."""
    names = {alias.lower(): row.name for row in all_rows() for alias in (row.name, *aliases(row))}
    found = difflib.get_close_matches(name.lower(), names, n=2 * count, cutoff=0.5)
    return list(dict.fromkeys(names[alias] for alias in found))[:count]


def aliases(row: Published) -> tuple[str, ...]:
    """Other names of a row."""
    return row.aliases if isinstance(row, TextCard) else ()


def hub_id(row: Published) -> str | None:
    """Its repository on the hub."""
    return row.source.repo if row.source else None


def inside(row: Published) -> bool:
    """Whether its weights come with the library."""
    parts = (row,) if not isinstance(row, PairCard) else (CARDS[row.vision], TEXT_CARDS[row.text])
    return all(getattr(part, 'weights', None) or getattr(part, 'folder', None) for part in parts)


def availability(row: Published) -> str:
    """'hub', 'by hand', 'inside', or '-' for random weights."""
    if row.source is None:
        return 'inside' if inside(row) else '-'
    return 'hub' if row.source.repo else 'by hand'


def tuned_by(row: Published) -> tuple[str, ...]:
    """What can train inside: 'prompts', 'LoRA', 'full'. Of a pair: what fits its vision half."""
    if isinstance(row, PairCard):
        row = CARDS[row.vision]
    kind = row.tower if isinstance(row, Card) else getattr(row, 'encoder', '')
    if kind not in TUNED_BY and isinstance(row, Card):
        return ways_to_tune(kind)
    return TUNED_BY.get(kind, _NO_PROMPTS)


def ways_to_tune(kind: str) -> tuple[str, ...]:
    """What a kind of vision tower says of itself; imports all kinds."""
    from cite.encoders.towers.stages import STAGES, Stages

    stages: type[Stages] = STAGES.get(kind)
    if stages.takes_prompts:
        return _ALL
    return _NO_PROMPTS if 'LoRA' in stages.alternatives else _ONLY_FULL


def licence_warnings(licence: str) -> list[str]:
    """What a licence forbids that people overlook: 'non-commercial', 'no derivatives'."""
    text = licence.lower()
    return [warning for marks, warning in LICENCE_WARNINGS if any(mark in text for mark in marks)]


def how_to_get(row: Published) -> list[str]:
    """Lines that say where the weights are and what to do."""
    if isinstance(row, PairCard):
        return [f'with its halves: vision {row.vision}, text {row.text}']
    if row.source is None:
        return ['comes with cite' if inside(row) else 'random weights by design: nothing to get']
    source = row.source
    lines = []
    if source.repo:
        page = f'https://huggingface.co/{source.repo}'
        commit = '' if source.revision == 'main' else f' at revision {source.revision}'
        lines.append(f'from the hub by itself: {page}{commit}')
        if row.gated:
            lines.append(f'gated: accept the terms at {page}, then run `hf auth login`')
    else:
        lines.append(f'on no hub, {source.how.rstrip(".")}')
        if row.gated:
            lines.append('access is granted by its publisher')
    lines.append(
        f'or a local one, see below; or in the folder that $CITE_WEIGHTS names, as {_placed(row)}'
    )
    return lines


def _placed(row: Published) -> str:
    source = row.source
    if source and source.parts:
        return ' and '.join(file for _, file in source.parts)
    if isinstance(row, TextCard) and row.encoder == 'TextEncoder':
        return f'{row.name}/ (config.json, weights, tokenizer)'
    file = source.filenames[0] if source else ''
    suffix = next(
        (s for s in ('.pth.tar', '.pth', '.pt', '.bin') if file.endswith(s)), '.safetensors'
    )
    return f'{row.name}{suffix} or {row.name}/'
