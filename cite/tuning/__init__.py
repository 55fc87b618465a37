"""What trains inside a frozen tower. One file per method; a new one registers itself."""

from cite.tuning.base import TUNINGS, NoTuning, Tuning
from cite.tuning.several import build_tuning

__all__ = ['TUNINGS', 'NoTuning', 'Tuning', 'build_tuning']
