"""Errors meant for the person at the keyboard.

A `CiteError` is always somebody's input: a file, a config, a checkpoint. Its message is one or two
lines that name the thing, what was expected, what was found and what to do. The command line prints
it without a traceback; anything that is not a `CiteError` is a defect of ours and keeps its traceback.
"""

from __future__ import annotations


class CiteError(Exception):
    """Base of every error that a user can mend."""


class DataError(CiteError):
    """Patches, labels, slides, annotation files, splits."""


class ConfigError(CiteError):
    """A config or an argument asks for something that does not exist or does not fit together."""


class ModelError(CiteError):
    """A vision tower or text encoder cannot be found, read or used as asked."""


class CheckpointError(CiteError):
    """A checkpoint or adapter does not belong to the model it is loaded into, or is damaged."""


class TrainingError(CiteError):
    """Training cannot go on: the loss is not finite, or nothing is trainable."""
