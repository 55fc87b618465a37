"""The one table of thresholds: from numbers to the words that a report uses for them.

Slide captions, patch captions, the mixes of `populations` and the findings all ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from cite.data.synthetic.attributes import Artefact, Attributes, Grade

GROWTHS = ('well', 'moderate', 'solid', 'non-solid')
_SUBTYPES = {
    'well': 'Well differentiated tubular adenocarcinoma',
    'moderate': 'Moderately differentiated tubular adenocarcinoma',
    'solid': 'Poorly differentiated adenocarcinoma, solid type',
    'non-solid': 'Poorly differentiated adenocarcinoma, non-solid type',
}
STROMAS = ('fibrous', 'loose', 'edematous')

OEDEMATOUS = 0.6  # clefts
FIBROUS = 0.54  # eosin of the fibres
SPARSE, MARKED = 2.0, 6.5  # lymphocytes per 10^4 pixels
SMALL_GLANDS, LARGE_GLANDS = 41.0, 46.0  # radius in pixels
ROUND, IRREGULAR = 0.10, 0.16  # scatter of the outline
OPEN, NARROW = 0.45, 0.32  # lumen radius over gland radius
CRIBRIFORM = 0.25  # share of glands
NO_GLANDS, GLANDULAR = 0.1, 0.5  # share of the tumour that forms glands
POLAR, APOLAR = 0.75, 0.4
PLEOMORPHIC, UNIFORM = 0.2, 0.1  # scatter of nuclear size
SMALL_NUCLEI, LARGE_NUCLEI = 12.5, 14.5  # length in pixels
PROMINENT_NUCLEOLI = 0.35  # differentiation below which nucleoli are
SIGNET = 0.25  # share of single cells
SECRETION, EMPTY = 0.65, 0.12  # share of the lumina
LITTLE_TUMOUR, MUCH_TUMOUR = 0.3, 0.75  # share of the tissue
MUCH_TUMOUR_OF_GLANDS = 0.88  # between glands there is stroma
FREQUENT_MITOSES = 3  # per 300 x 300 pixels
FOCAL, EXTENSIVE = 0.2, 0.35  # necrosis, share of the tumour
CROWDED, APART = 0.85, 1.0  # distance of glands
ELONGATED, ROUND_NUCLEI = 1.7, 1.3  # length over width
HYPERCHROMATIC = 1.1  # haematoxylin of nuclei
PLAIN_NUCLEOLI = 0.7  # differentiation above which nucleoli are not seen


def growth(found: Attributes) -> str:
    """One of `GROWTHS`: the grade, and in poorly differentiated tumours how they grow."""
    if found.grade is Grade.POORLY:
        return 'solid' if found.solid else 'non-solid'
    return 'well' if found.grade is Grade.WELL else 'moderate'


def subtype(found: Attributes) -> str:
    """PatchGastric's name of the class."""
    return _SUBTYPES[growth(found)]


def stroma(found: Attributes) -> str:
    """One of `STROMAS`."""
    if found.oedema > OEDEMATOUS:
        return 'edematous'
    return 'fibrous' if found.fibrosis > FIBROUS else 'loose'


def inflammation(found: Attributes) -> str:
    """Of the stroma: 'sparse', 'moderate' or 'marked'."""
    if found.inflammation > MARKED:
        return 'marked'
    return 'moderate' if found.inflammation > SPARSE else 'sparse'


def glandular(found: Attributes) -> bool:
    """Whether the tumour is built of glands."""
    return found.gland_share > GLANDULAR


FINDINGS: Mapping[str, Callable[[Attributes], bool]] = MappingProxyType(
    {
        'necrosis': lambda patch: patch.necrosis > 0,
        'inflammation': lambda patch: inflammation(patch) == 'marked',
        # out of focus a figure cannot be told from a nucleus
        'mitoses': lambda patch: patch.mitoses > 0 and patch.artefact is not Artefact.BLUR,
        'artefact': lambda patch: patch.artefact is not Artefact.NONE,
        'glands': glandular,
        'oedema': lambda patch: stroma(patch) == 'edematous',
        'edge': lambda patch: patch.bare > 0,
    }
)
"""What a patch shows or does not: for labels of tasks other than the grade."""
