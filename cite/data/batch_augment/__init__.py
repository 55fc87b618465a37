"""Augmentation of whole batches on the device of the model, each patch by parameters of its own.

The choices are drawn beside the patches, as functions of (seed, number of the draw), and carried out where
the batch is (`Augmentation`). Same options and ranges as the steps for single pictures; what differs from
them is said at each part.
"""

from cite.data.batch_augment.augment import Augmentation, BatchAugment
from cite.data.batch_augment.colour import ColourDraw
from cite.data.batch_augment.stain import StainDraw
from cite.data.batch_augment.symmetry import SymmetryDraw

__all__ = ['Augmentation', 'BatchAugment', 'ColourDraw', 'StainDraw', 'SymmetryDraw']
