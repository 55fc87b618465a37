"""Texts that say what pathology is, and what else raw collections are full of."""

from __future__ import annotations

PATHOLOGY = (
    'an H&E image of tissue',
    'a histopathology image',
    'a microscopy image of stained tissue',
    'an immunohistochemistry image of tissue',
    'a cytology smear under the microscope',
)

OTHER = (
    'a photo of a person',
    'a photo of an object',
    'a landscape photo',
    'a chart',
    'a diagram',
    'a slide of a presentation with text',
    'a screenshot of a web page',
    'a chest X-ray',
    'a CT or MRI scan',
    'a clinical photo of skin',
    'an endoscopy image',
    'a gross specimen photo',
)
