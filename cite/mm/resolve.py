"""What follows from the names in a config is filled in: sizes, precision, loaders, defaults.

mmengine merges `--cfg-options` first and then builds pipeline and model apart from each other, so no
class could size the others. `resolve` is a pure function of the config and of what hardware there is;
the runner calls it before anything is built and writes its result into the run folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATA_SAMPLERS

from cite.baselines import TITLES
from cite.baselines.run import get_method
from cite.data.table import some
from cite.encoders.card import Card, resize_options
from cite.encoders.speed import StepOptions
from cite.encoders.zoo import get_card, text_half
from cite.errors import ConfigError
from cite.former_names import FORMER_NAMES
from cite.mm.cache_options import settle_cache, settle_views
from cite.mm.sharded import settle_sharding
from cite.precision import settle_precision

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def resolve(cfg: Config, device: str) -> Config:
    """A completed copy of the config.

    Args:
        cfg: As written, with `--cfg-options` merged.
        device: 'cuda' or 'cpu'.

    Raises:
        ConfigError: A part that is missing; no classes, or data sets with different ones; an unknown
            precision; an unknown baseline.
        ModelError: An unknown backbone.
    """
    cfg = deepcopy(cfg)
    refuse_original(cfg)
    _require(cfg)
    settle_runner(cfg)
    settle_schedule(cfg)
    _baselines(cfg)
    card = get_card(cfg.model.backbone.model)
    _model(cfg, card, device)
    for name, loader in loaders(cfg):
        settle_loader(loader, training=name == 'train_dataloader', device=device)
        settle_pipeline(loader.dataset, card, cfg.model.backbone.image_size)
        settle_dataset(cfg, name)
        if name == 'train_dataloader':
            loader.dataset.setdefault('seed', cfg.randomness.seed)
            settle_views(cfg)
    settle_sharding(cfg)
    settle_cache(cfg)
    settle_optimizer(cfg)
    _evaluators(cfg)
    return cfg


def settle_dataset(cfg: Config, loader: str) -> None:
    """Fills in, in place, where the data set of a loader lies and whether it is for testing."""
    dataset = cfg[loader].dataset
    if cfg.get('data_root') is not None:
        dataset.setdefault('data_root', cfg.data_root)
    if loader != 'train_dataloader':
        dataset.setdefault('test_mode', True)


def refuse_original(cfg: Config) -> None:
    """A config of the published code (mmcls 0.25) is named as what it is.

    Raises:
        ConfigError: It has keys or types that only configs of mmcls 0.25 have.
    """
    data = cfg.get('data')
    found = [key for key in ('lr_config', 'optimizer_config') if cfg.get(key) is not None]
    if isinstance(data, ConfigDict) and 'samples_per_gpu' in data:
        found.append('data.samples_per_gpu')
    parts = {'model': cfg.get('model')} | {
        name: loader.get('dataset') for name, loader in loaders(cfg)
    }
    parts |= {f'model.{name}': (parts['model'] or {}).get(name) for name in ('backbone', 'head')}
    for name, part in parts.items():
        kind = part.get('type') if isinstance(part, ConfigDict) else None
        if kind in FORMER_NAMES:
            found.append(f'{name}.type={kind!r}')
    if found:
        raise ConfigError(
            f'this is a config of the original code (mmcls 0.25; it has {some(found)}): turn it into '
            'one of cite by `cite migrate CONFIG`'
        )


def _require(cfg: Config) -> None:
    for key in ('model', 'test_dataloader'):
        if cfg.get(key) is None:
            raise ConfigError(f'the config has no `{key}`; see configs/_base_ for what one holds')
    for key in ('backbone', 'head'):
        if cfg.model.get(key) is None:
            raise ConfigError(f'the config has no `model.{key}`; see configs/_base_/models')
    if cfg.get('load_from') in ('none', 'None', ''):
        cfg.load_from = None  # `mim test` insists on a checkpoint; zero-shot has none


def settle_runner(cfg: Config) -> None:
    """Seed, loops and log of a config, filled in in place.

    Raises:
        ConfigError: Training that does not count iterations.
    """
    cfg.setdefault('randomness', ConfigDict())
    if cfg.randomness.get('seed') is None:  # mmengine would draw one
        cfg.randomness.seed = 0
    train_cfg = cfg.get('train_cfg')
    if train_cfg is not None:
        if not train_cfg.get('max_iters') or 'by_epoch' in train_cfg:
            raise ConfigError(
                f'training counts iterations: train_cfg=dict(max_iters=…), found {dict(train_cfg)}'
            )
        train_cfg.setdefault('type', 'CiteTrainLoop')
    if cfg.get('val_dataloader') is None:
        cfg.val_cfg = cfg.val_evaluator = None
    elif not cfg.get('val_cfg'):
        cfg.val_cfg = ConfigDict()
    if cfg.get('test_cfg') is None:
        cfg.test_cfg = ConfigDict()
    cfg.setdefault('log_processor', ConfigDict(by_epoch=False))


def settle_schedule(cfg: Config) -> None:
    """Learning rate schedules, fitted in place to the length of the training.

    A cosine that names no end falls until the end; what would begin behind the end is left out.
    """
    schedulers = cfg.get('param_scheduler') or ()
    if cfg.get('train_cfg') is None or not schedulers:
        return
    length = cfg.train_cfg.max_iters
    several = not isinstance(schedulers, ConfigDict)
    acting = [s for s in (schedulers if several else [schedulers]) if s.get('begin', 0) < length]
    for scheduler in acting:
        endless = scheduler.get('T_max') is None and scheduler.get('end') is None
        if scheduler.get('type') == 'CosineAnnealingLR' and endless:
            scheduler.setdefault('T_max', length - scheduler.get('begin', 0))
    if several:
        cfg.param_scheduler = acting


def _baselines(cfg: Config) -> None:
    """What every results table shows beside the run; `[]` for nothing."""
    kinds = cfg.setdefault('baselines', list(TITLES))
    kinds = [kinds] if isinstance(kinds, str) else kinds  # --cfg-options baselines=colour
    if not isinstance(kinds, list | tuple):
        raise ConfigError(f'baselines: expected a list of {list(TITLES)} or [], found {kinds!r}')
    for kind in kinds:
        get_method(kind)
    cfg.baselines = list(dict.fromkeys(kinds))


def _model(cfg: Config, card: Card, device: str) -> None:
    model = cfg.model
    for part in ('neck', 'head'):
        if isinstance(model.get(part), str):
            model[part] = ConfigDict(type=model[part])
    classes = list(_classes(cfg))
    if list(model.setdefault('classes', classes)) != classes:
        raise ConfigError(
            f"model.classes {list(model.classes)} differ from the data set's {classes}"
        )
    wanted = 'auto' if settle_amp(cfg) else model.get('precision', 'auto')
    model.precision = settle_precision(wanted, device)
    names = ('compile', 'checkpointing', 'channels_last')
    StepOptions(**{name: model[name] for name in names if name in model}).check(device)
    encoder = model.head.get('text_encoder')
    if isinstance(encoder, str):
        model.head.text_encoder = ConfigDict(type='TextEncoder', model=encoder)
    elif encoder is not None:
        settle_text_half(encoder, model.backbone.model)
    model.backbone.setdefault('image_size', card.image_size)


def settle_text_half(encoder: ConfigDict, vision: str) -> None:
    """A pair's text tower goes with its vision tower unless another is named."""
    half = text_half(vision)
    if half is not None:
        encoder.setdefault('model', half)


def settle_amp(cfg: Config) -> bool:
    """`--amp` of mmpretrain's tools means autocast where there is no GPU either."""
    asked = False
    wrapper = cfg.get('optim_wrapper')
    if wrapper is not None and wrapper.get('type') == 'AmpOptimWrapper':
        wrapper.pop('loss_scale', None)
        wrapper.pop('dtype', None)
        wrapper.type = 'CiteOptimWrapper'
        asked = True
    for key in ('val_cfg', 'test_cfg'):
        if cfg.get(key) and cfg[key].pop('fp16', False):
            asked = True
    return asked


def _classes(cfg: Config) -> tuple[str, ...]:
    found = {name: tuple(loader.dataset.get('classes') or ()) for name, loader in loaders(cfg)}
    named = {name: classes for name, classes in found.items() if classes}
    if not named:
        raise ConfigError(
            'no data set names its classes; give `classes=[…]` in train_dataloader.dataset, in the '
            'order of the labels'
        )
    if len(set(named.values())) > 1:
        raise ConfigError(f'the data sets have different classes: {named}')
    return next(iter(named.values()))


def loaders(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    """The loaders that a config has, by key."""
    for name in LOADERS:
        if cfg.get(name) is not None:
            yield name, cfg[name]


def settle_loader(
    loader: ConfigDict, training: bool, device: str, sampler: str = 'PatchSampler'
) -> None:
    """Fills in, in place, workers, collation and sampling of a loader."""
    loader.setdefault('num_workers', 2)
    loader['collate_fn'] = ConfigDict(type='default_collate')
    # both are set by mmpretrain's train.py, whether they can be had or not
    loader['persistent_workers'] = bool(loader.num_workers) and not training
    loader['pin_memory'] = device == 'cuda' and loader.get('pin_memory', True)
    if training:
        loader.setdefault('sampler', ConfigDict(type=sampler))
        kind = loader.sampler.get('type')
        found = DATA_SAMPLERS.get(kind) if isinstance(kind, str) else kind
        if found is not None and hasattr(found, 'batch_sampler'):
            loader.batch_sampler = ConfigDict(type=found.batch_sampler)
    else:
        loader.setdefault('sampler', ConfigDict(type='DefaultSampler', shuffle=False))


def settle_pipeline(dataset: ConfigDict, card: Card, size: int) -> None:
    """Every patch reaches the tower in its size, by its authors' way unless another is asked for."""
    pipeline = list(dataset.get('pipeline') or ())
    kinds = [step.get('type') for step in pipeline]
    crop = max((i for i, kind in enumerate(kinds) if kind == 'CropPatch'), default=-1)
    if 'ResizePatch' not in kinds:
        pipeline.insert(crop + 1, ConfigDict(type='ResizePatch'))
    elif kinds.index('ResizePatch') < crop:
        raise ConfigError('pipeline: CropPatch changes the size, put it in front of ResizePatch')
    for step in pipeline:
        if step.get('type') == 'ResizePatch':
            options = resize_options(card, size)
            if step.get('how', options['how']) != options['how']:
                options.pop('resize', None)  # it goes with the authors' way
            for option, value in options.items():
                step.setdefault(option, value)
    dataset.pipeline = pipeline


def settle_optimizer(cfg: Config) -> None:
    """The wrapper and the parameter groups of the optimiser, filled in in place."""
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        return
    if wrapper.get('type', 'OptimWrapper') == 'OptimWrapper':
        wrapper.type = 'CiteOptimWrapper'
    wrapper.setdefault('constructor', 'TrainableConstructor')
    wrapper.setdefault('loss_scaling', cfg.model.precision == 'fp16')


def _evaluators(cfg: Config) -> None:
    for key, loader in (('val_evaluator', 'val_dataloader'), ('test_evaluator', 'test_dataloader')):
        if cfg.get(loader) is not None and not cfg.get(key):
            cfg[key] = ConfigDict(type='PatchSlideMetric')
    test = cfg.test_evaluator
    for metric in [test] if isinstance(test, ConfigDict) else test or ():
        if metric.get('type') == 'PatchSlideMetric':
            metric.setdefault('out_dir', str(Path(cfg.get('work_dir') or 'work_dirs/run')))
