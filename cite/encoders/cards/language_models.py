"""Text encoders that are no BERT: the encoder of a T5, and decoders.

The last token of a text is the only one that a decoder lets see all of it, so that is what 'auto' takes.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Source
from cite.encoders.text_card import TextCard

_PHYSIONET = 'https://physionet.org/content/clinical-t5/1.0.0/'
_LUO = 'Luo et al., Briefings in Bioinformatics 2022, arXiv:2210.10341'
_WU = 'Wu et al., JAMIA 2024, arXiv:2304.14454'
_CHEN = 'Chen et al., 2023, arXiv:2311.16079'
_LLAMA = 'LLaMA licence (Meta), non-commercial research'
_LLAMA2 = 'Llama 2 Community License (Meta)'
_HALF = 'half precision, encoded once and freed'


def _clinical_t5(size: str, dim: int) -> TextCard:
    return TextCard(
        name=f'clinical-t5-{size}',
        source=Source(
            None,
            ('config.json',),
            how=f'download Clinical-T5-{size.title()} from {_PHYSIONET} (credentialed access)',
        ),
        dim=dim,
        pooling='mean',
        licence='PhysioNet Credentialed Health Data License',
        citation='Lehman and Johnson, PhysioNet 2023',
        domain='clinical',
        gated=True,
        note='its encoder only',
    )


def _decoder(name: str, repo: str, dim: int, licence: str, citation: str, **more: Any) -> TextCard:
    return TextCard(
        name=name,
        source=Source(repo),
        dim=dim,
        pooling='last',
        licence=licence,
        citation=citation,
        **{'domain': 'biomedical', **more},
    )


CARDS = (
    _clinical_t5('base', 768),
    _clinical_t5('large', 1024),
    _decoder('biogpt', 'microsoft/biogpt', 1024, 'MIT', _LUO),
    _decoder('biogpt-large', 'microsoft/BioGPT-Large', 1600, 'MIT', _LUO, note=_HALF),
    _decoder('pmc-llama-7b', 'chaoyi-wu/PMC_LLAMA_7B', 4096, _LLAMA, _WU, note=_HALF),
    _decoder('pmc-llama-13b', 'axiong/PMC_LLaMA_13B', 5120, _LLAMA, _WU, note=_HALF),
    _decoder('meditron-7b', 'epfl-llm/meditron-7b', 4096, _LLAMA2, _CHEN, gated=True, note=_HALF),
    _decoder(
        'meditron-70b',
        'epfl-llm/meditron-70b',
        8192,
        _LLAMA2,
        _CHEN,
        gated=True,
        note='140 GB in half precision',
    ),
    _decoder(
        'chatdoctor',
        'zl111/ChatDoctor',
        4096,
        _LLAMA,
        'Li et al., Cureus 2023, arXiv:2303.14070',
        domain='clinical',
        note=_HALF,
    ),
)
