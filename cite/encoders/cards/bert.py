"""Biomedical text encoders of BERT's kind.

Whether a file holds a trained pooler is found out at loading; where a row says 'pooler_output' and it does
not, loading refuses.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Source
from cite.encoders.text_card import TextCard

_BIOMEDBERT = 'microsoft/BiomedNLP-BiomedBERT'
_PUBMEDBERT = 'microsoft/BiomedNLP-PubMedBERT'  # what those repositories were called before
_LINK = 'Yasunaga et al., ACL 2022, arXiv:2203.15827'
_GU = 'Gu et al., ACM HEALTH 2021, arXiv:2007.15779'
_LARGE = 'Tinn et al., Patterns 2023, arXiv:2112.07869'
_LEE = 'Lee et al., Bioinformatics 2020, arXiv:1901.08746'
_PENG = 'Peng et al., BioNLP 2019, arXiv:1906.05474'
_BELTAGY = 'Beltagy et al., EMNLP 2019, arXiv:1903.10676'
_NOTES = 'its training saw PubMed and clinical notes'


def _bert(
    name: str,
    repo: str,
    licence: str,
    citation: str,
    pooling: str = 'mean',
    dim: int = 768,
    **more: Any,
) -> TextCard:
    return TextCard(
        name=name,
        source=Source(repo),
        licence=licence,
        citation=citation,
        pooling=pooling,
        dim=dim,
        **{'domain': 'biomedical', **more},
    )


def _biolinkbert(size: str, dim: int, note: str = '') -> TextCard:
    repo = f'michiyasunaga/BioLinkBERT-{size}'
    return _bert(f'biolinkbert-{size}', repo, 'Apache-2.0', _LINK, 'pooler_output', dim, note=note)


def _biomedbert(size: str, dim: int, corpus: str = '', citation: str = _GU) -> TextCard:
    tail = f'{size}-uncased-abstract{corpus}'
    return _bert(
        f'pubmedbert-{size}{corpus}',
        f'{_BIOMEDBERT}-{tail}',
        'MIT',
        citation,
        'cls',
        dim,
        note='renamed BiomedBERT by its authors',
        aliases=(f'biomedbert-{size}{corpus}', f'{_PUBMEDBERT}-{tail}'),
    )


def _bluebert(corpus: str, size: str, dim: int, depth: int) -> TextCard:
    clinical = {'domain': 'clinical', 'note': _NOTES} if 'mimic' in corpus else {}
    return _bert(
        f'bluebert-{corpus.replace("_", "-")}-{size}',
        f'bionlp/bluebert_{corpus}_uncased_L-{depth}_H-{dim}_A-{dim // 64}',
        'CC0-1.0',
        _PENG,
        dim=dim,
        **clinical,
    )


CARDS = (
    _biolinkbert('base', 768),
    _biolinkbert('large', 1024, 'the text encoder of the CITE paper'),
    _biomedbert('base', 768),
    _biomedbert('base', 768, '-fulltext'),
    _biomedbert('large', 1024, citation=_LARGE),
    _bert('biobert-v1.1', 'dmis-lab/biobert-v1.1', 'Apache-2.0', _LEE, note='cased'),
    _bert(
        'biobert-base-cased-v1.2',
        'dmis-lab/biobert-base-cased-v1.2',
        'Apache-2.0',
        _LEE,
        note='cased',
    ),
    _bert(
        'biobert-large-cased-v1.1',
        'dmis-lab/biobert-large-cased-v1.1',
        'Apache-2.0',
        _LEE,
        dim=1024,
        note='cased',
    ),
    _bluebert('pubmed', 'base', 768, 12),
    _bluebert('pubmed', 'large', 1024, 24),
    _bluebert('pubmed_mimic', 'base', 768, 12),
    _bluebert('pubmed_mimic', 'large', 1024, 24),
    _bert(
        'bio-clinicalbert',
        'emilyalsentzer/Bio_ClinicalBERT',
        'MIT',
        'Alsentzer et al., ClinicalNLP 2019, arXiv:1904.03323',
        domain='clinical',
        note='cased',
    ),
    _bert('scibert', 'allenai/scibert_scivocab_uncased', 'Apache-2.0', _BELTAGY),
    _bert('scibert-cased', 'allenai/scibert_scivocab_cased', 'Apache-2.0', _BELTAGY, note='cased'),
    TextCard(
        name='random-bert-tiny',
        dim=128,
        pooling='mean',
        licence='Apache-2.0',
        citation='none',
        note='random weights: for tests, it knows no language',
    ),
)
