"""What trains inside a frozen tower. One file per method; a new one registers itself."""

from cite.tuning.base import TUNINGS, NoTuning, Tuning

__all__ = ['TUNINGS', 'NoTuning', 'Tuning']
