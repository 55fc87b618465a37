"""Trained adapters at work: load, predict, vote per slide, compare with any text."""

from cite.serving.predictor import Predictor, load
from cite.serving.space import Space, load_space

__all__ = ['Predictor', 'Space', 'load', 'load_space']
