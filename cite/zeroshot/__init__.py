"""Zero-shot classification: class texts in prompts, no training.

    from cite.serving import load_space
    from cite.zeroshot import find_prompts, read_classes, zero_shot

    space = load_space('plip')
    scores = zero_shot(space, space.encode_images(paths), read_classes('classes.txt'),
                       find_prompts('model', space))
    scores.predicted

Names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cite.zeroshot.class_files import classes_of_lines, read_classes
    from cite.zeroshot.classes import ClassTexts, classes_of_names
    from cite.zeroshot.findings import Findings, find
    from cite.zeroshot.measuring import measure
    from cite.zeroshot.page import write_page
    from cite.zeroshot.pooling import POOLINGS, class_cosines, template_cosines
    from cite.zeroshot.prompts import PromptSet, find_prompts, prompt_sets
    from cite.zeroshot.results import write_results
    from cite.zeroshot.run import zero_shot
    from cite.zeroshot.scores import ZeroShotScores
    from cite.zeroshot.templates import TemplateRow, template_rows

_HOMES = {
    'POOLINGS': 'pooling',
    'ClassTexts': 'classes',
    'Findings': 'findings',
    'PromptSet': 'prompts',
    'TemplateRow': 'templates',
    'ZeroShotScores': 'scores',
    'class_cosines': 'pooling',
    'classes_of_lines': 'class_files',
    'classes_of_names': 'classes',
    'find': 'findings',
    'find_prompts': 'prompts',
    'measure': 'measuring',
    'prompt_sets': 'prompts',
    'read_classes': 'class_files',
    'template_cosines': 'pooling',
    'template_rows': 'templates',
    'write_page': 'page',
    'write_results': 'results',
    'zero_shot': 'run',
}

__all__ = [
    'POOLINGS',
    'ClassTexts',
    'Findings',
    'PromptSet',
    'TemplateRow',
    'ZeroShotScores',
    'class_cosines',
    'classes_of_lines',
    'classes_of_names',
    'find',
    'find_prompts',
    'measure',
    'prompt_sets',
    'read_classes',
    'template_cosines',
    'template_rows',
    'write_page',
    'write_results',
    'zero_shot',
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
