"""What makes a tower's steps faster or smaller and leaves names and digests as they are."""

from cite.encoders.speed.options import StepOptions

__all__ = ['StepOptions']
