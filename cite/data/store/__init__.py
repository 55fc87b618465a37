"""The patches of a table, decoded and resized once, in one file that is mapped into memory."""

from cite.data.store.front import split_pipeline
from cite.data.store.patches import PatchStore, open_store

__all__ = ['PatchStore', 'open_store', 'split_pipeline']
