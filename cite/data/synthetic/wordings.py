"""Wordings of what has a name: a pathologist's synonyms, each a sentence."""

from __future__ import annotations

from cite.data.synthetic.attributes import Artefact

Phrases = tuple[str, ...]

ARTEFACTS: dict[Artefact, Phrases] = {
    Artefact.NONE: ('No artefacts.', 'No artifact is seen.', 'Good preparation without artefacts.'),
    Artefact.FOLD: (
        'A tissue fold crosses the field.', 'Folded tissue.', 'Tissue fold artefact.',
    ),
    Artefact.BLUR: ('The image is out of focus.', 'Blurred, out of focus.', 'Poor focus.'),
    Artefact.PEN: ('A pen mark covers part of the field.', 'Pen marking.', 'Ink of a marker pen.'),
    Artefact.BUBBLE: ('An air bubble is seen.', 'Air bubble artefact.', 'Bubble under the glass.'),
    Artefact.TEAR: ('The tissue is torn.', 'A tear in the tissue.', 'Tear artefact.'),
    Artefact.KNIFE: ('Knife lines.', 'Parallel knife marks are seen.', 'Sectioning scratches.'),
}  # fmt: skip
DIAGNOSES: dict[str, Phrases] = {
    'well': (
        'Well differentiated tubular adenocarcinoma.', 'Well differentiated adenocarcinoma.',
        'Well differentiated.', 'Adenocarcinoma, well differentiated.', 'Tubular adenocarcinoma.',
        'Low-grade tubular adenocarcinoma.',
    ),
    'moderate': (
        'Moderately differentiated tubular adenocarcinoma.',
        'Moderately differentiated adenocarcinoma.', 'Moderately differentiated.',
        'Adenocarcinoma, moderately differentiated.', 'Tubular adenocarcinoma.',
    ),
    'solid': (
        'Poorly differentiated adenocarcinoma, solid type.', 'Poorly differentiated adenocarcinoma.',
        'Poorly differentiated.', 'Adenocarcinoma, poorly differentiated, solid type.',
        'Solid type adenocarcinoma.', 'High-grade adenocarcinoma.',
    ),
    'non-solid': (
        'Poorly differentiated adenocarcinoma, non-solid type.',
        'Poorly differentiated adenocarcinoma.', 'Poorly differentiated.',
        'Adenocarcinoma, poorly differentiated, non-solid type.', 'Poorly cohesive carcinoma.',
        'High-grade adenocarcinoma.',
    ),
}  # fmt: skip

INFLAMMATION: dict[str, Phrases] = {
    'sparse': (
        'Inflammation is sparse.', 'Few lymphocytes.', 'Little inflammatory cell infiltration.',
        'No significant inflammation.',
    ),
    'moderate': (
        'Moderate inflammation.', 'A moderate lymphocytic infiltrate.',
        'Moderate inflammatory cell infiltration of the stroma.',
    ),
    'marked': (
        'Marked inflammation.', 'Dense lymphocytic infiltrate.', 'Many lymphocytes.',
        'Marked inflammatory cell infiltration.', 'The stroma is heavily inflamed.',
    ),
}  # fmt: skip
STROMA: dict[str, Phrases] = {
    'fibrous': (
        'Fibrous stroma.', 'The stroma is fibrous.', 'Dense collagenous stroma.',
        'Desmoplastic, fibrous stroma.',
    ),
    'loose': ('Loose stroma.', 'The stroma is loose and pale.', 'Delicate, loose stroma.'),
    'edematous': (
        'Edematous stroma.', 'The stroma is edematous.', 'Stromal oedema.', 'Stromal edema with clefts.',
    ),
}  # fmt: skip
