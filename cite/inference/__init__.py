"""Frozen models at work on many images: reading and computing overlap, batches follow the memory."""

from cite.inference.batched import computing, outputs, outputs_of_images
from cite.inference.extraction import Extracted, extract
from cite.inference.feature_table import FeatureTable, read_features
from cite.inference.shards import Shard, shard_from_environment

__all__ = [
    'Extracted',
    'FeatureTable',
    'Shard',
    'computing',
    'extract',
    'outputs',
    'outputs_of_images',
    'read_features',
    'shard_from_environment',
]
