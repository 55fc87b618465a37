"""Training on image–caption pairs: `runner_type = 'ContrastRunner'` in a config."""

from cite.mm.contrast import data, hooks, model, recall, runner

__all__ = ['data', 'hooks', 'model', 'recall', 'runner']
