"""Trained adapters at work: load, predict, vote per slide."""

from cite.serving.predictor import Predictor, load

__all__ = ['Predictor', 'load']
