"""The optimiser sees what trains and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import Tensor, nn

from cite.errors import ConfigError, TrainingError
from cite.frozen import trainable


@OPTIM_WRAPPERS.register_module()
class CiteOptimWrapper(OptimWrapper):
    """mmengine's optimiser wrapper, with loss scaling where the model computes in fp16.

    Autocast is the model's own business (`model.precision`), the same in training and testing; the
    weights that train are float32 throughout.

    Args:
        loss_scaling: Filled in by the runner: whether the precision is fp16.
        **kwargs: mmengine's: optimizer, accumulative_counts, clip_grad.
    """

    def __init__(self, loss_scaling: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scaler = torch.amp.GradScaler('cuda', enabled=loss_scaling)

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def update_by(self, backward: Callable[[Callable[[Tensor], Tensor]], None]) -> None:
        """As `update_params`, for a model that runs its backward pass itself.

        Args:
            backward: Is given what scales a loss (for fp16, and for accumulation), and leaves gradients
                behind.
        """
        backward(lambda loss: self.scaler.scale(self.scale_loss(loss)))
        self._inner_count += 1
        if self.should_update():
            self.step()
            self.zero_grad()

    def step(self, **kwargs: Any) -> None:
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if self.scaler.is_enabled():
            state['loss_scaler'] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = dict(state_dict)
        if (scaler := state.pop('loss_scaler', None)) is not None and self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)
        super().load_state_dict(state)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableConstructor:
    """One parameter group per trained weight, named, in the model's order.

    Args:
        optim_wrapper_cfg: `dict(type='CiteOptimWrapper', optimizer=dict(type='SGD', lr=…))`.
        paramwise_cfg: `dict(custom_keys={'head.': dict(lr_mult=0.1, decay_mult=0.0)})`: factors for
            the weights whose name holds the key; the longest key that fits counts.
            `decay_vectors=False` leaves undecayed what is no matrix (norms, biases, scales), unless a
            key says otherwise.
    """

    def __init__(
        self,
        optim_wrapper_cfg: Mapping[str, Any],
        paramwise_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        self.optim_wrapper_cfg = dict(optim_wrapper_cfg)
        self.custom_keys = dict((paramwise_cfg or {}).get('custom_keys', {}))
        self.decay_vectors = bool((paramwise_cfg or {}).get('decay_vectors', True))
        if set(paramwise_cfg or {}) - {'custom_keys', 'decay_vectors'}:
            raise ConfigError(
                'paramwise_cfg takes only custom_keys and decay_vectors here, found '
                f'{sorted(paramwise_cfg or {})}'
            )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        weights = trainable(getattr(model, 'module', model))
        if not weights:
            raise TrainingError(
                'nothing in this model trains (a zero-shot head, or a frozen tower without neck and '
                'head). Evaluate it as it is: cite test CONFIG'
            )
        unused = [key for key in self.custom_keys if not any(key in name for name in weights)]
        if unused:
            raise ConfigError(
                f'paramwise_cfg.custom_keys {unused} fit no trained weight: {", ".join(weights)}'
            )
        config = dict(self.optim_wrapper_cfg)
        optimizer = dict(config.pop('optimizer'))
        optimizer['params'] = [
            self._group(name, weight, optimizer) for name, weight in weights.items()
        ]
        config.setdefault('type', 'CiteOptimWrapper')
        wrapper: OptimWrapper = OPTIM_WRAPPERS.build(
            config, default_args={'optimizer': OPTIMIZERS.build(optimizer)}
        )
        return wrapper

    def _group(
        self, name: str, weight: nn.Parameter, optimizer: Mapping[str, Any]
    ) -> dict[str, Any]:
        group: dict[str, Any] = {'params': [weight], 'name': name}
        keys = [key for key in self.custom_keys if key in name]
        if weight.ndim < 2 and not self.decay_vectors:
            group['weight_decay'] = 0.0
        if keys:
            factors = self.custom_keys[max(keys, key=len)]
            group['lr'] = optimizer['lr'] * factors.get('lr_mult', 1.0)
            if 'weight_decay' in optimizer and 'decay_mult' in factors:
                group['weight_decay'] = optimizer['weight_decay'] * factors['decay_mult']
        return group
