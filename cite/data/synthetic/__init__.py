"""Synthetic H&E-like tissue: data for trying the library out, drawn and not photographed."""

from cite.data.synthetic.dataset import write_patchgastric

__all__ = ['write_patchgastric']
