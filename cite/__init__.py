"""Parameter-efficient adaptation of frozen pathology encoders, with heads anchored in text."""

__version__ = '0.1.0'
