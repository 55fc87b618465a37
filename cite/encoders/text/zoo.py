"""The table of text encoders: short name → hub id and what its authors do. A new one is one row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TINY_TISSUE = Path(__file__).parent.parent / 'tiny_tissue' / 'text'


@dataclass(frozen=True)
class TextCard:
    """One text encoder.

    Attributes:
        hub: Repository on the Hugging Face hub; None for those that come with the library.
        pooling: What 'auto' means for it; None where the checkpoint decides.
        licence: As its authors state it.
        note: What a user should know.
        folder: Where its files are, if they come with the library.
    """

    hub: str | None
    pooling: str | None
    licence: str
    note: str = ''
    folder: Path | None = None


_BIOMEDBERT = 'microsoft/BiomedNLP-BiomedBERT'

TEXT_CARDS: dict[str, TextCard] = {
    'biolinkbert-base': TextCard('michiyasunaga/BioLinkBERT-base', 'pooler_output', 'Apache-2.0'),
    'biolinkbert-large': TextCard(
        'michiyasunaga/BioLinkBERT-large',
        'pooler_output',
        'Apache-2.0',
        'the text encoder of the CITE paper',
    ),
    'pubmedbert-base': TextCard(
        f'{_BIOMEDBERT}-base-uncased-abstract', 'cls', 'MIT', 'renamed BiomedBERT by its authors'
    ),
    'pubmedbert-base-fulltext': TextCard(
        f'{_BIOMEDBERT}-base-uncased-abstract-fulltext', 'cls', 'MIT'
    ),
    'pubmedbert-large': TextCard(f'{_BIOMEDBERT}-large-uncased-abstract', 'cls', 'MIT'),
    'biobert-v1.1': TextCard('dmis-lab/biobert-v1.1', 'mean', 'Apache-2.0', 'cased'),
    'bio-clinicalbert': TextCard('emilyalsentzer/Bio_ClinicalBERT', 'mean', 'MIT', 'cased'),
    'scibert': TextCard('allenai/scibert_scivocab_uncased', 'mean', 'Apache-2.0'),
    'tiny-tissue': TextCard(
        None,
        'mean',
        'Apache-2.0',
        'learned captions of drawn tissue only, for trying the library out',
        TINY_TISSUE,
    ),
    'random-bert-tiny': TextCard(
        None,
        'mean',
        'Apache-2.0',
        'random weights: for tests, it knows no language',
    ),
}


def find_text_card(model: str) -> TextCard | None:
    """The card of a short name or of a hub id in the table; None for anything else."""
    if model in TEXT_CARDS:
        return TEXT_CARDS[model]
    return next((card for card in TEXT_CARDS.values() if card.hub == model), None)
