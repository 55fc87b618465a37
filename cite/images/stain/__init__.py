"""Stain: how densely tissue absorbs light, and slides brought to one staining. One file per method."""

from cite.images.stain.base import METHODS, StainMethod
from cite.images.stain.normalize import NormalizeStain, StainReference, fit_reference

__all__ = ['METHODS', 'NormalizeStain', 'StainMethod', 'StainReference', 'fit_reference']
