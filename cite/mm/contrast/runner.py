"""The runner of contrastive training on image–caption pairs."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process
from mmengine.registry import DATASETS, FUNCTIONS, RUNNERS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from cite.data.overlap import overlap
from cite.data.pairs import PairTable
from cite.data.table import some
from cite.errors import CiteError, ConfigError
from cite.frozen import trainable
from cite.mm.base_runner import TEST_CONFIG, BaseRunner
from cite.mm.contrast.about import about_pair
from cite.mm.contrast.recall import RecallAtK
from cite.mm.contrast.resolve import resolve_pair


@RUNNERS.register_module()
class ContrastRunner(BaseRunner):
    """Named by `runner_type = 'ContrastRunner'` in a config; used by `mim train` and `cite train`."""

    own_hooks = ('PairStateHook', 'PairFileHook')

    @classmethod
    def complete(cls, cfg: Config, device: str) -> Config:
        return resolve_pair(cfg, device)

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        built = super().build_model(model)
        for tower in (built.pair.vision, built.pair.text):
            _ = tower.digest  # taken before anything could touch the weights
        return built

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """`CitePair` averages gradients by itself; here all processes begin with rank 0's weights."""
        if model_wrapper_cfg is not None:
            raise ConfigError('model_wrapper_cfg: pairs are trained without a wrapper, take it out')
        model = model.to(torch.device('cuda', torch.cuda.current_device()) if _gpu() else 'cpu')
        if self.distributed:
            for weight in trainable(model).values():
                torch.distributed.broadcast(weight.data, src=0)
        return model

    @staticmethod
    def build_dataloader(
        dataloader: Any, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """mmengine gives every loader a sampler, which a stream does not take."""
        if isinstance(dataloader, DataLoader):
            return dataloader
        settings = dict(dataloader)
        dataset = settings['dataset']
        kind = DATASETS.get(dataset['type']) if isinstance(dataset, dict) else type(dataset)
        if kind is None or not issubclass(kind, IterableDataset):
            return Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        stream = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        return _StreamLoader(
            stream,
            batch_size=settings['batch_size'],
            num_workers=settings['num_workers'],
            pin_memory=settings['pin_memory'],
            collate_fn=FUNCTIONS.get(settings['collate_fn']['type']),
        )

    def train(self) -> nn.Module:
        if self._train_loop is None:
            raise ConfigError(
                'the config has no training (train_cfg, train_dataloader, optim_wrapper)'
            )
        model = super().train()
        self._has_loaded = True  # `test` in the same process takes these weights
        return model

    def build_train_loop(self, loop: Any) -> Any:
        built = super().build_train_loop(loop)
        train = getattr(built.dataloader.dataset, 'pairs', None)
        loop = self.val_loop
        val = getattr(loop.dataloader.dataset, 'pairs', None) if loop is not None else None
        tables = [table for table in (train, val) if table is not None]  # a stream has none
        for table in tables:
            self.bare_model.check_captions(table.captions)
        if len(tables) == 2:
            for warning in _leaks(tables[0], tables[1], 'validation'):
                self.logger.warning(warning)
        return built

    def _warnings(self) -> list[str]:
        """Of test pairs that share slides with the training pairs of the config, where both have tables."""
        if not self.loading and not self._has_loaded:
            return []  # nothing here was trained
        test = getattr(self.test_dataloader.dataset, 'pairs', None)
        try:
            train = getattr(DATASETS.build(self.cfg.train_dataloader.dataset), 'pairs', None)
        except CiteError:
            return []  # training data may be gone where a checkpoint is tested
        return _leaks(train, test, 'test') if train is not None and test is not None else []

    def test(self) -> dict[str, float]:
        if self._test_loop is None:
            raise ConfigError('the config has no test_dataloader: there are no pairs to test on')
        # scale and bias change no order of candidates, so a published pair is tested as it is
        tuned = trainable(self.bare_model).keys() - {'pair.log_scale', 'pair.bias'}
        if self._load_from is None and not self._has_loaded and tuned:
            raise ConfigError(
                'this pair has trained weights: give the checkpoint to test (cite test CONFIG '
                'CHECKPOINT)'
            )
        self._test_loop: Any = self.build_test_loop(self._test_loop)
        self.load_or_resume()
        self.write_config(TEST_CONFIG)
        for metric in self.test_evaluator.metrics:
            if isinstance(metric, RecallAtK):
                metric.about = {'about': about_pair(self), 'warnings': self._warnings()}
        found: dict[str, float] = super().test()
        for warning in self._warnings():
            self.logger.warning(warning)
        if is_main_process():
            self.logger.info('\n' + recall_table(found))
        return found


class _StreamLoader(DataLoader):
    """torch's own loader warns where a stream goes on behind its length, as it does in training."""

    def __len__(self) -> int:
        per_step = (self.batch_size or 1) * get_world_size()
        return -(-len(self.dataset) // per_step)  # type: ignore[arg-type]


def _leaks(train: PairTable, other: PairTable, name: str) -> list[str]:
    """What every reader of a recall has to know: that it was measured on what was trained on."""
    shared = overlap(train.patches(), other.patches())
    if shared is None:
        return []
    unit, names = shared
    return [
        f'training and {name} pairs share {len(names)} {unit} ({some(names)}): recall@k does not tell '
        'how the pair does on new slides'
    ]


def recall_table(found: dict[str, float]) -> str:
    """Recall@k with chance beside it, as text."""
    ks = [key.split('@')[1] for key in found if key.startswith('image_to_text/recall@')]
    lines = [f'{"":16}' + ''.join(f'{"recall@" + k:>12}{"(chance)":>10}' for k in ks)]
    for name in ('image_to_text', 'text_to_image'):
        cells = (
            f'{found[f"{name}/recall@{k}"]:12.3f}{found[f"{name}/chance_recall@{k}"]:10.3f}'
            for k in ks
        )
        lines.append(f'{name.replace("_", " "):16}' + ''.join(cells))
    return '\n'.join(lines)


def _gpu() -> bool:
    return torch.cuda.is_available()
