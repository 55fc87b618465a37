"""Linear probing: how much a linear classifier reads out of frozen features, by published protocols."""

from cite.probing.choice import Choice, Tried, choose_regularisation
from cite.probing.file import load_probe, save_probe
from cite.probing.fit import fit_probe
from cite.probing.probe import Probe
from cite.probing.protocols import PROTOCOLS, Protocol, find_protocol
from cite.probing.run import Probed, probe
from cite.probing.samples import Samples

__all__ = [
    'PROTOCOLS',
    'Choice',
    'Probe',
    'Probed',
    'Protocol',
    'Samples',
    'Tried',
    'choose_regularisation',
    'find_protocol',
    'fit_probe',
    'load_probe',
    'probe',
    'save_probe',
]
