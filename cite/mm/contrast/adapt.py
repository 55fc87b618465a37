"""Checks pairs, trains on them, and measures before and after: what `cite contrast` does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import DATASETS
from tqdm import tqdm

from cite.atomic import write_json
from cite.data.pairs import PairTable
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.mm.about import device_name
from cite.mm.contrast.about import about_pair
from cite.mm.contrast.checks import check_pairs, distinct, too_long
from cite.mm.contrast.hooks import PAIR
from cite.mm.contrast.runner import ContrastRunner
from cite.mm.launch import runner_of
from cite.mm.messages import clear_errors

RECALL = 'recall.json'


class Adapted(NamedTuple):
    """What came of a training."""

    pair: Path
    """`pair.safetensors`."""
    before: dict[str, float] | None
    """Recall@k with its chance levels (`recall_at_k`); None without validation pairs."""
    after: dict[str, float] | None
    notes: list[str]
    seconds: float
    """Of the training, validation between included."""


def adapt(cfg: Config, resume: str | bool = False) -> Adapted:
    """Trains the pair of a config as `cite.mm.launch.train` does, to the same weights.

    What it settled is printed before, recall@k before and after training is written to `recall.json` in
    the run folder. Before means as the towers are built, or loaded (`load_from`): the figures of a resumed
    run are the first ones, too.

    Args:
        cfg: Of pairs, as `load_config` reads it.
        resume: True (the last checkpoint of the run folder) or a checkpoint.

    Raises:
        ConfigError: A config of no pairs, or fewer pairs than a batch.
        DataError: Pairs that cannot be used; images that are missing are named.
    """
    if runner_of(cfg) is not ContrastRunner:
        raise ConfigError(
            f'{cfg.filename or "the config"} trains no pair (runner_type = '
            f"{cfg.get('runner_type', 'CiteRunner')!r}, 'ContrastRunner' is needed): use cite train"
        )
    cfg.resume = bool(resume)
    if isinstance(resume, str):
        cfg.load_from = resume
    with clear_errors():
        train, val, notes = _checked(cfg)  # before a model is loaded
        runner = ContrastRunner.from_cfg(cfg)
        if cfg.get('load_from') and not resume:
            runner.load_or_resume()
        model = runner.bare_model
        cut = too_long(model.pair.text, train, val) if train is not None else None
        if cut is not None and model.truncate:  # they are refused otherwise
            notes.append(cut)
        if is_main_process():
            print('\n'.join([*settled(runner, train, val), *(f'note: {note}' for note in notes)]))
        before = measure(runner)
        start = time.monotonic()
        runner.train()
        seconds = time.monotonic() - start
        found = Adapted(Path(runner.work_dir) / PAIR, before, measure(runner), notes, seconds)
        if is_main_process() and before is not None:
            record = {'before': before, 'after': found.after, 'notes': notes, 'seconds': seconds}
            write_json(Path(runner.work_dir) / RECALL, {**record, 'about': about_pair(runner)})
    return found


def _checked(cfg: Config) -> tuple[PairTable | None, PairTable | None, list[str]]:
    """The tables of training and validation pairs (None for streams), and notes on them."""
    done = ContrastRunner.complete(cfg, 'cuda' if torch.cuda.is_available() else 'cpu')
    tables = []
    for key in ('train_dataloader', 'val_dataloader'):
        streams = done.get(key) is None or 'shards' in done[key].dataset
        tables.append(
            None if streams else getattr(DATASETS.build(done[key].dataset), 'pairs', None)
        )
    train, val = tables
    notes = [] if train is None else check_pairs(train, val, done.train_dataloader.batch_size)
    return train, val, notes


def measure(runner: ContrastRunner) -> dict[str, float] | None:
    """Recall@k of the validation pairs by the model as it is; None without such pairs.

    No random number is drawn, so the training is the same with it as without.
    """
    loop: Any = runner.val_loop
    if loop is None:
        return None
    runner.model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for batch in tqdm(loop.dataloader, 'recall@k', unit='batch', delay=2, leave=False):
            loop.evaluator.process(runner.model.val_step(batch), batch)
    found: dict[str, float] = loop.evaluator.evaluate(len(loop.dataloader.dataset))
    return found


def settled(runner: ContrastRunner, train: PairTable | None, val: PairTable | None) -> list[str]:
    """What was made of the config, in lines."""
    model, cfg = runner.bare_model, runner.cfg
    pair = model.pair
    batch, steps = cfg.train_dataloader.batch_size, cfg.train_cfg.max_iters
    trained = sum(p.numel() for p in trainable(model).values())
    lines = [
        f'images     {pair.vision.card.name}, {pair.vision.tuning!r}',
        f'texts      {pair.text.name}, {pair.text.tuning!r}',
        f'trains     {trained:,} of {sum(p.numel() for p in model.parameters()):,} weights',
    ]
    for name, table in (('training', train), ('validation', val)):
        if table is not None:
            lines.append(f'{name:10} {len(table):,} pairs, {len(distinct(table)):,} distinct texts')
    chunk = f' in chunks of {model.chunk}' if model.chunk and model.chunk < batch else ''
    drawn = f'; each pair about {steps * batch / len(train):.1f} times' if train is not None else ''
    return [
        *lines,
        f'batch      {batch}{chunk}, {steps} iterations{drawn}',
        f'loss       {model.loss_name}, scale {float(pair.scale.detach()):.1f}',
        f'precision  {model.precision} on {device_name()}',
    ]


def before_after(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Recall@k before and after training, and by chance, as a table."""
    lines = [f'{"":26}{"before":>8}{"after":>8}{"chance":>8}']
    for way in ('image_to_text', 'text_to_image'):
        for key in (key for key in after if key.startswith(f'{way}/recall@')):
            k = key.rpartition('@')[2]
            values = before[key], after[key], after[f'{way}/chance_recall@{k}']
            cells = ''.join(f'{value:8.3f}' for value in values)
            lines.append(f'{way.replace("_", " ") + " recall@" + k:26}{cells}')
    return '\n'.join(lines)
