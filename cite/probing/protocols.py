"""How linear probing is done: a row for each protocol, and where it is stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

from cite.errors import ConfigError


@dataclass(frozen=True)
class Protocol:
    """One way of probing.

    Attributes:
        name: Short.
        scaling: 'standard' (mean 0, standard deviation 1 over the training patches), 'unit' (each feature
            vector to length 1) or 'none'.
        solver: 'logistic' (scikit-learn's LogisticRegression, L-BFGS, L2), 'sgd' (its SGDClassifier,
            logistic loss, L2, classes weighted by 1 / frequency) or 'adam' (a linear layer in PyTorch).
        varied: What is chosen: 'C' or 'alpha' (strength of L2), or 'epoch'.
        values: What is tried, from the strongest regularisation to the weakest.
        search: 'all', or 'halving': every `stride`-th value, then ever closer around the best.
        score: What a choice is made by, on the validation patches: a metric of `cite.evaluation`.
        ties: Which of equal scores is chosen: 'strongest' regularisation, or smallest log 'loss' on the
            validation patches (then the strongest), since a probe that is pulled to nearly nothing may rank
            classes rightly and give every one the same probability.
        refit: Whether the final probe is fitted anew, on training and validation patches together.
        source: Where it is stated.
        differs: What differs from the source, or from scikit-learn's defaults.
        max_iter: Of L-BFGS, or epochs of SGD at the most.
        seed: Of what is random in the solver.
        stride: Of the first look of 'halving'.
        batch_size, lr: Of 'adam'.
    """

    name: str
    scaling: Literal['standard', 'unit', 'none']
    solver: Literal['logistic', 'sgd', 'adam']
    varied: Literal['C', 'alpha', 'epoch']
    values: tuple[float, ...]
    score: Literal['accuracy', 'balanced_accuracy', 'macro_f1']
    refit: bool
    source: str
    differs: str
    ties: Literal['strongest', 'loss'] = 'strongest'
    search: Literal['all', 'halving'] = 'all'
    max_iter: int = 1000
    seed: int = 0
    stride: int = 16
    batch_size: int = 64
    lr: float = 1e-3

    def record(self) -> dict[str, Any]:
        """As plain values, for results files."""
        return {**asdict(self), 'values': list(self.values)}


def _decades(first: int, last: int, steps: int = 1) -> tuple[float, ...]:
    """10^first … 10^last, `steps` to a decade."""
    return tuple(10.0 ** (n / steps) for n in range(first * steps, last * steps + 1))


CITE = Protocol(
    name='cite',
    scaling='standard',
    solver='logistic',
    varied='C',
    values=_decades(-6, 4),
    score='balanced_accuracy',
    ties='loss',
    refit=True,
    source='scikit-learn, LogisticRegression',
    differs='scikit-learn: max_iter is 1000 and not 100; C is chosen and not 1',
)
CLIP = Protocol(
    name='clip',
    scaling='none',
    solver='logistic',
    varied='C',
    values=_decades(-6, 6, 8),
    search='halving',
    score='accuracy',
    refit=True,
    source='Radford et al., ICML 2021, arXiv:2103.00020, appendix A.3',
    differs="its CLIP-ViT features are those before the projection to the joint space: a pair's own "
    'features are those behind it. Accuracy is the metric of the choice for every data set',
)
PLIP = Protocol(
    name='plip',
    scaling='unit',
    solver='sgd',
    varied='alpha',
    values=(0.1, 0.01, 0.001, 0.0001),
    score='macro_f1',
    refit=True,
    max_iter=10_000,
    seed=1,
    source='PathologyFoundation/plip, reproducibility/evaluation/linear_probing/linear_classifier.py and '
    'reproduce.sh (Huang et al., Nature Medicine 2023)',
    differs='the repository reports every alpha on the test set; here one is chosen on validation patches. '
    'It brings features of CLIP and PLIP to unit length but not those of its DenseNet, here all are',
)
WHYCLIP = Protocol(
    name='whyclip',
    scaling='unit',
    solver='adam',
    varied='epoch',
    values=tuple(map(float, range(1, 201))),
    score='accuracy',
    refit=False,
    seed=42,
    source='YueYANG1996/KnoBo, modules/cbm.py, --mode linear_probe (Yang et al., NeurIPS 2024, '
    'arXiv:2405.14839)',
    differs='it keeps 768 features, drawn at random, of models that have more; here all are kept. It '
    'reports accuracy on the validation set that chose the epoch beside that on the test set',
)
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {row.name: row for row in (CITE, CLIP, PLIP, WHYCLIP)}
)


def find_protocol(name: str | Protocol) -> Protocol:
    """A protocol by its name.

    Raises:
        ConfigError: There is none of that name.
    """
    if isinstance(name, Protocol):
        return name
    if name not in PROTOCOLS:
        raise ConfigError(f'no protocol {name!r} of probing; there are {", ".join(PROTOCOLS)}')
    return PROTOCOLS[name]
