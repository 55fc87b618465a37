"""Which images and captions of a raw collection to keep, and why not the others.

Filters stand in a row, each sees what those before it left, and each gives for every row: kept or not, a
reason, a score. Nothing is deleted or moved: lists are written, and a page that shows them. The steps are
like those by which OpenPath was made (Huang et al., A visual–language foundation model for pathology image
analysis using medical Twitter, Nature Medicine 29, 2023); docs/quality.md says what is known of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cite.quality.captions import clean_caption
    from cite.quality.collection import Collection, read_collection
    from cite.quality.filters import build_filter, default_filters, filter_names
    from cite.quality.filters.base import Filter, Verdict
    from cite.quality.material import Material
    from cite.quality.run import Outcome, Step, run_filters
    from cite.quality.write import write_outcome

_HOMES = {
    'Collection': 'collection',
    'Filter': 'filters.base',
    'Material': 'material',
    'Outcome': 'run',
    'Step': 'run',
    'Verdict': 'filters.base',
    'build_filter': 'filters',
    'clean_caption': 'captions',
    'default_filters': 'filters',
    'filter_names': 'filters',
    'read_collection': 'collection',
    'run_filters': 'run',
    'write_outcome': 'write',
}
__all__ = [
    'Collection',
    'Filter',
    'Material',
    'Outcome',
    'Step',
    'Verdict',
    'build_filter',
    'clean_caption',
    'default_filters',
    'filter_names',
    'read_collection',
    'run_filters',
    'write_outcome',
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
