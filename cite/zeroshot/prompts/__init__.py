"""Prompt templates of zero-shot classification: published ones with their sources, and one's own.

`prompt_sets()` lists what ships; `find_prompts` takes what a user says.
"""

from cite.zeroshot.prompts.find import NONE, find_prompts
from cite.zeroshot.prompts.prompt_file import read_prompts
from cite.zeroshot.prompts.prompt_set import DOMAINS, PromptSet
from cite.zeroshot.prompts.shipped import default_set, prompt_sets

__all__ = [
    'DOMAINS',
    'NONE',
    'PromptSet',
    'default_set',
    'find_prompts',
    'prompt_sets',
    'read_prompts',
]
