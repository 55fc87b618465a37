"""Projections from a tower's features to what a head compares them with."""

from cite.necks.base import NECKS, Neck

__all__ = ['NECKS', 'Neck']
