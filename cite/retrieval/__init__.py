"""Search among features: an index that fits their number, and how good what it finds is."""

from cite.retrieval.build import build_index
from cite.retrieval.digest import features_digest
from cite.retrieval.folder import load_index, save_index
from cite.retrieval.index import Index
from cite.retrieval.metrics import image_metrics, pair_metrics

__all__ = [
    'Index',
    'build_index',
    'features_digest',
    'image_metrics',
    'load_index',
    'pair_metrics',
    'save_index',
]
