"""`stain = dict(method='macenko')` in a config → one staining for every patch of a run.

The reference comes from the training slides, once, and from then on goes with the weights: into the
config that is written, the checkpoints and the adapter. Every process of a distributed run fits it by
itself and gets the same numbers: the sample is seeded, 200 patches take seconds, and the numbers are
rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import TRANSFORMS

from cite.data.stain import PATCHES, PER_SLIDE, fit_stain
from cite.data.stain_jitter import StainJitter
from cite.errors import ConfigError
from cite.images.stain import NormalizeStain, StainReference
from cite.images.stain.base import method_class
from cite.mm.baselines import read_table
from cite.mm.checkpoint import KEY, latest_checkpoint
from cite.mm.resolve import LOADERS
from cite.mm.stain_record import check_stain, read_stain

STEP = 'NormalizeStain'
FIT_OPTIONS = ('patches', 'per_slide', 'seed')

for transform in (NormalizeStain, StainJitter):
    TRANSFORMS.register_module(module=transform)


def settle_stain(cfg: Config) -> None:
    """Completes `stain` of a resolved config, in place, and makes it the first step of every pipeline.

    The reference is the one in the config; else that of the checkpoint to load; else it is fitted on
    the slides of `train_dataloader`.

    Args:
        cfg: `stain` has `method` and either `reference`, as a written config has it, or options of the
            fit: `patches`, `per_slide`, `seed` (default: the run's). A name alone is a method.

    Raises:
        ConfigError: An unknown method or option; no training slides to fit on; the step without
            `stain`, which no checkpoint would record.
        CheckpointError: The checkpoint to load was trained with another staining.
        DataError: Training slides that are in the test set as well, or too little tissue.
    """
    spec = cfg.get('stain')
    if spec is None:
        if 'stain' not in cfg and any(
            _is_step(step) for name in LOADERS for step in _steps(cfg, name)
        ):
            raise ConfigError(
                f'a pipeline has {STEP}, but the config has no `stain`. Write '
                "stain=dict(method='macenko') instead: it adds the step wherever it belongs"
            )
        _insert(cfg, [])
        return
    reference = _reference(cfg, {'method': spec} if isinstance(spec, str) else spec)
    if reference is None:
        return
    cfg.stain = ConfigDict(reference.to_dict())
    step = {'type': STEP, 'method': reference.method, 'reference': reference.reference}
    _insert(cfg, [step])


def _reference(cfg: Config, spec: Any) -> StainReference | None:
    """The staining of a run; None where the checkpoint to load will be refused anyway."""
    if not isinstance(spec, Mapping) or 'method' not in spec:
        raise ConfigError(f"stain: expected dict(method='macenko'), found {spec!r}")
    unknown = sorted(set(spec) - {'method', 'reference', 'fitted_on', *FIT_OPTIONS})
    if unknown:
        raise ConfigError(
            f'stain has no option {", ".join(unknown)}; it takes method, {", ".join(FIT_OPTIONS)}, or '
            'a reference'
        )
    method_class(spec['method'])
    if spec.get('reference') is not None:
        idle = [name for name in FIT_OPTIONS if name in spec]
        if idle:
            raise ConfigError(
                f'stain has a reference, so nothing is fitted: take out {", ".join(idle)}, or set '
                'stain.reference=None'
            )
        return StainReference.from_dict(json.loads(json.dumps(spec)))
    path = _checkpoint(cfg)
    if path is not None:
        return _stored(path, spec['method'])
    return _fit(cfg, spec)


def _fit(cfg: Config, spec: Mapping[str, Any]) -> StainReference:
    if cfg.get('train_dataloader') is None:
        raise ConfigError(
            f'stain: {spec["method"]} is fitted on training slides, and this config has no '
            'train_dataloader. Give the reference of another run (stain.json of its run folder): '
            "stain=dict(method='…', reference=dict(…))"
        )
    test = read_table(cfg, 'test_dataloader')
    return fit_stain(
        read_table(cfg, 'train_dataloader'),
        spec['method'],
        patches=spec.get('patches', PATCHES),
        per_slide=spec.get('per_slide', PER_SLIDE),
        seed=spec.get('seed', cfg.randomness.seed),
        not_in=test.slides.tolist(),
        progress=True,
    )


def _checkpoint(cfg: Config) -> str | None:
    if cfg.get('load_from') is not None:
        return str(cfg.load_from)
    return latest_checkpoint(Path(cfg.work_dir)) if cfg.get('resume') else None


def _stored(path: str, method: str) -> StainReference | None:
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
        about = checkpoint[KEY]
    except Exception:  # whatever is wrong with it is told when it is loaded
        return None
    stored = read_stain(path, about)
    if stored is None or stored.method != method:
        check_stain(path, about, Config({'stain': {'method': method}}))
    return stored


def _steps(cfg: Config, name: str) -> list[Any]:
    loader = cfg.get(name)
    return list(loader.dataset.get('pipeline') or ()) if loader is not None else []


def _is_step(step: Any) -> bool:
    return isinstance(step, Mapping) and step.get('type') in (STEP, NormalizeStain)


def _insert(cfg: Config, first: list[dict[str, Any]]) -> None:
    """`first` in front of every pipeline, in place of the steps of its kind that were there."""
    for name in LOADERS:
        if cfg.get(name) is not None:
            rest = [step for step in _steps(cfg, name) if not _is_step(step)]
            cfg[name].dataset.pipeline = [ConfigDict(step) for step in first] + rest
