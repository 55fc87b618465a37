"""The optimiser sees what trains and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import Tensor, nn

from cite.errors import TrainingError
from cite.frozen import trainable
from cite.mm.param_groups import ParamRules, places_of


@OPTIM_WRAPPERS.register_module()
class CiteOptimWrapper(OptimWrapper):
    """mmengine's optimiser wrapper, with loss scaling where the model computes in fp16.

    Autocast is the model's own business (`model.precision`), the same in training and testing; the
    weights that train are float32 throughout.

    Args:
        loss_scaling: Filled in by the runner: whether the precision is fp16.
        **kwargs: mmengine's: optimizer, accumulative_counts, clip_grad.

    `accumulative_counts=2` takes a step after two iterations, by the mean of their gradients: two batches
    of 4 count as one of 8, at the memory of 4. What is left over at the end of the training is a step,
    too, by the mean over the iterations that there are. `max_iters` and schedules count iterations.
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
    """One parameter group of the optimiser per trained weight, named, in the model's order.

    Args:
        optim_wrapper_cfg: `dict(type='CiteOptimWrapper', optimizer=dict(type='SGD', lr=…))`.
        paramwise_cfg: Rates and decays other than the optimiser's, each as a factor (`lr_mult`,
            `decay_mult`) or as it is (`lr`, `weight_decay`):

            `groups=dict(prompt=dict(lr_mult=10, decay_mult=0), head=dict(lr=1e-3, weight_decay=0.01))`:
            of all weights of a group: 'prompt', 'peft' and 'tower' (what tunings train), 'neck', 'head'.
            `custom_keys={'head.': dict(lr_mult=0.1, decay_mult=0.0)}`: of the weights whose name holds
            the key; the longest key that fits counts, and what it says goes before the group's.
            `decay_vectors=False` leaves undecayed what is no matrix (norms, biases, scales), unless a
            key says otherwise.

    The rate is multiplied by the tuning's own factor for the weight, such as a layer-wise decay.
    Schedulers act on each parameter group, and so keep the ratios; one that ends at an `eta_min` above
    zero ends there for all (`eta_min_ratio` keeps them).

    Raises:
        ConfigError: A key or group that no trained weight has, or an option that is none.
    """

    def __init__(
        self,
        optim_wrapper_cfg: Mapping[str, Any],
        paramwise_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        self.optim_wrapper_cfg = dict(optim_wrapper_cfg)
        self.rules = ParamRules(paramwise_cfg)

    def __call__(self, model: nn.Module) -> OptimWrapper:
        bare = getattr(model, 'module', model)
        weights = trainable(bare)
        if not weights:
            raise TrainingError(
                'nothing in this model trains (a zero-shot head, or a frozen tower without neck and '
                'head). Evaluate it as it is: cite test CONFIG'
            )
        places = places_of(bare, list(weights))
        self.rules.check(places)
        config = dict(self.optim_wrapper_cfg)
        options = dict(config.pop('optimizer'))
        options['params'] = [{'params': [weight], 'name': n} for n, weight in weights.items()]
        optimizer = OPTIMIZERS.build(options)
        for group in optimizer.param_groups:
            name = group['name']
            group.update(self.rules.settle(name, weights[name], places[name], optimizer.defaults))
        config.setdefault('type', 'CiteOptimWrapper')
        wrapper: OptimWrapper = OPTIM_WRAPPERS.build(config, default_args={'optimizer': optimizer})
        return wrapper
