"""Biomedical text encoders of BERT's kind.

Whether a file holds a trained pooler is found out at loading; where a row says 'pooler_output' and it does
not, loading refuses.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Source
from cite.encoders.text_card import TextCard

_BIOMEDBERT = 'microsoft/BiomedNLP-BiomedBERT'
_GU = 'Gu et al., ACM HEALTH 2021, arXiv:2007.15779'
_LINK = 'Yasunaga et al., ACL 2022, arXiv:2203.15827'


def _bert(
    name: str, repo: str, dim: int, pooling: str, licence: str, citation: str, **more: Any
) -> TextCard:
    return TextCard(
        name=name,
        source=Source(repo),
        dim=dim,
        pooling=pooling,
        licence=licence,
        citation=citation,
        **{'domain': 'biomedical', **more},
    )


CARDS = (
    _bert(
        'biolinkbert-base',
        'michiyasunaga/BioLinkBERT-base',
        768,
        'pooler_output',
        'Apache-2.0',
        _LINK,
    ),
    _bert(
        'biolinkbert-large',
        'michiyasunaga/BioLinkBERT-large',
        1024,
        'pooler_output',
        'Apache-2.0',
        _LINK,
        note='the text encoder of the CITE paper',
    ),
    _bert(
        'pubmedbert-base',
        f'{_BIOMEDBERT}-base-uncased-abstract',
        768,
        'cls',
        'MIT',
        _GU,
        note='renamed BiomedBERT by its authors',
    ),
    _bert(
        'pubmedbert-base-fulltext',
        f'{_BIOMEDBERT}-base-uncased-abstract-fulltext',
        768,
        'cls',
        'MIT',
        _GU,
    ),
    _bert('pubmedbert-large', f'{_BIOMEDBERT}-large-uncased-abstract', 1024, 'cls', 'MIT', _GU),
    _bert(
        'biobert-v1.1',
        'dmis-lab/biobert-v1.1',
        768,
        'mean',
        'Apache-2.0',
        'Lee et al., Bioinformatics 2020, arXiv:1901.08746',
        note='cased',
    ),
    _bert(
        'bio-clinicalbert',
        'emilyalsentzer/Bio_ClinicalBERT',
        768,
        'mean',
        'MIT',
        'Alsentzer et al., ClinicalNLP 2019, arXiv:1904.03323',
        domain='clinical',
        note='cased',
    ),
    _bert(
        'scibert',
        'allenai/scibert_scivocab_uncased',
        768,
        'mean',
        'Apache-2.0',
        'Beltagy et al., EMNLP 2019, arXiv:1903.10676',
    ),
    TextCard(
        name='random-bert-tiny',
        dim=128,
        pooling='mean',
        licence='Apache-2.0',
        citation='none',
        note='random weights: for tests, it knows no language',
    ),
)
