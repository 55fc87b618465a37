"""Biomedical CLIPs with CLIP's own two towers: pathology, radiology, dermatology, medical literature.

Where a note says that the activation was not seen, a wrong one would load without complaint and cost some
accuracy: `open_clip_config.json` in the model's repository says it ('quick_gelu').
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import HALF, Published, Source
from cite.encoders.cards.clip import BPE, OPEN_CLIP, clip_pair

HISTOPATHOLOGY = (
    'a histopathology slide showing {}',
    'histopathology image of {}',
    'pathology tissue showing {}',
    'presence of {} tissue on image',
)
"""Prompts of the authors of QuiltNet, which others took over."""
QUILT: dict[str, Any] = {
    'licence': 'MIT',
    'citation': 'Ikezogwo et al., NeurIPS 2023, arXiv:2306.11207',
    'domain': 'pathology',
}


def _why(name: str, domain: str) -> tuple[Published, ...]:
    about = {
        'name': name,
        'licence': 'MIT',
        'citation': 'Yang et al., NeurIPS 2024, arXiv:2405.14839',
        'source': Source(f'yyupenn/{name}', OPEN_CLIP),
        'domain': domain,
        'note': 'mean and std are those of the LAION CLIP it began with; `preprocess_cfg` in the '
        "repository's open_clip_config.json decides: pass mean= and std= if it says otherwise",
    }
    return clip_pair(
        about,
        'l14',
        quick=False,
        vision=HALF,
        tokenizer=BPE,
        templates=('{}',),
        templates_from=f'model card of {name}, which embeds concepts as they are',
    )


def _quilt(size: str) -> tuple[Published, ...]:
    about = {
        **QUILT,
        'name': f'quiltnet-{size}',
        # its pytorch_model.bin is a conversion, with a config that does not fit every size
        'source': Source(f'wisdomik/QuiltNet-{size[0].upper()}-{size[1:]}', OPEN_CLIP[:2]),
        'note': 'the activation was not seen; taken to be QuickGELU, as in the OpenAI CLIP it began with',
    }
    return clip_pair(
        about,
        size,
        tokenizer=BPE,
        templates=HISTOPATHOLOGY,
        templates_from='zero-shot evaluation of Quilt-1M',
    )


def _pathgen(
    name: str, size: str, image_size: int, source: Source, note: str
) -> tuple[Published, ...]:
    about = {
        'name': name,
        'licence': "not stated here, see its authors' page",
        'citation': 'Sun et al., ICLR 2025, arXiv:2407.00203',
        'source': source,
        'domain': 'pathology',
        'note': note,
    }
    return clip_pair(about, size, quick=False, image_size=image_size, tokenizer=BPE)


CARDS = (
    *clip_pair(
        {
            'name': 'plip',
            'licence': "not stated here, see its authors' page",
            'citation': 'Huang et al., Nat Med 2023',
            'source': Source('vinid/plip'),
            'domain': 'pathology',
        },
        'b32',
        tokenizer=BPE,
        templates=('An H&E image patch of {}.', 'An H&E image patch of {} tissue.'),
        templates_from='data loader of PLIP',
    ),
    *_quilt('b32'),
    *_quilt('b16'),
    *_pathgen(
        'pathgen-clip-b16',
        'b16',
        224,
        Source(
            None,
            ('pathgenclip.pt',),
            how='download it from https://pub-7a38cc906afa44a4a01533c288d0b1af.r2.dev/pathgenclip.pt',
        ),
        'exact GELU, as in the loading code of its README',
    ),
    *_pathgen(
        'pathgen-clip-l14',
        'l14',
        336,
        Source('jamessyx/pathgenclip-vit-large-patch14-hf'),
        'the file of jamessyx/PathGen-CLIP-L fits as well, by weights=; the activation was not seen, taken '
        'to be the exact GELU, as in the loading code for the smaller one',
    ),
    *_why('whylesionclip', 'dermatology'),
    *_why('whyxrayclip', 'radiology'),
    *clip_pair(
        {
            'name': 'pubmedclip-vit-b32',
            'licence': 'MIT',
            'citation': 'Eslami et al., EACL Findings 2023, arXiv:2112.13906',
            'source': Source('flaviagiammarino/pubmed-clip-vit-base-patch32'),
            'domain': 'radiology',
            'note': "the authors' own .pth (sarahESL/PubMedCLIP) fits as well, by weights=",
        },
        'b32',
        tokenizer=BPE,
    ),
    *clip_pair(
        {
            'name': 'pmc-clip-vit-l14',
            'licence': "not stated here, see its authors' page",
            'citation': 'Lin et al., MICCAI 2023, arXiv:2303.07240',
            'source': Source('ryanyip7777/pmc_vit_l_14', OPEN_CLIP),
            'domain': 'biomedical',
            'note': "open_clip's ViT-L-14, as others evaluate it under this name; the activation was not "
            'seen, taken to be the exact GELU of that architecture',
        },
        'l14',
        quick=False,
        tokenizer=BPE,
    ),
)
