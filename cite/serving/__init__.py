"""Trained adapters at work: load, predict, vote per slide, compare with any text."""

from cite.serving.image_space import ImageSpace
from cite.serving.predictor import Predictor, load
from cite.serving.space import Space, load_space

__all__ = ['ImageSpace', 'Predictor', 'Space', 'load', 'load_space']
