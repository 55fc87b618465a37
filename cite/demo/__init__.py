"""A page in the browser for trying a model: a patch, a folder of images, a slide. `cite demo` serves it.

Each tab is two modules: what it does (`patch`, `retrieval`, `slide`: plain functions, which know nothing of
Gradio) and how it looks (`patch_tab`, `retrieval_tab`, `slide_tab`). docs/demo.md says what the page keeps,
where, and for how long.
"""

from __future__ import annotations

from cite.demo.settings import Settings

__all__ = ['Settings']
