"""Choosing hyper-parameters without looking at what is evaluated on."""

from cite.experiments.choosing.candidates import Candidate
from cite.experiments.choosing.choose import Choice, choose
from cite.experiments.choosing.folds import Fold, leave_slides_out

__all__ = ['Candidate', 'Choice', 'Fold', 'choose', 'leave_slides_out']
