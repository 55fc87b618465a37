"""Many heads on kept features, trained as one: all rows, seeds, learning rates and decays of a study."""

from cite.experiments.grid.grid import Grid
from cite.experiments.grid.points import GridPoint
from cite.experiments.grid.train import train_grid

__all__ = ['Grid', 'GridPoint', 'train_grid']
