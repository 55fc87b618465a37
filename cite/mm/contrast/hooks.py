"""Checkpoints of a pair, and the file that training leaves behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from cite.encoders.pair_file import TEXT_OPTIONS, VISION_OPTIONS, PairInfo, save_pair
from cite.errors import CheckpointError, TrainingError
from cite.mm.checkpoint import KEY, plain_message_hub, rich_message_hub
from cite.mm.contrast.about import about_pair
from cite.state import misfit

PAIR = 'pair.safetensors'
TRAIN_CONFIG = 'config.py'


@HOOKS.register_module()
class PairStateHook(Hook):
    """Makes checkpoints plain when they are saved, and checks them when they are loaded."""

    priority = 'VERY_LOW'  # after every other hook has had its say

    def before_train(self, runner: Any) -> None:
        """From here on the config's data count, whatever the loaded weights were trained on."""
        runner.trained_on = None

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        pair = runner.bare_model.pair
        checkpoint['message_hub'] = plain_message_hub(checkpoint['message_hub'])
        checkpoint[KEY] = {
            'vision_digest': pair.vision.digest,
            'text_digest': pair.text.digest,
            'trained_on': about_pair(runner)['data'].get('train'),
        }
        checkpoint['random_state'] = runner.random_states

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        check_pair_checkpoint(runner.bare_model, checkpoint, str(runner.loading))
        runner.trained_on = checkpoint[KEY].get('trained_on')
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = rich_message_hub(checkpoint['message_hub'])


def check_pair_checkpoint(model: Any, checkpoint: Mapping[str, Any], path: str) -> None:
    """Refuses a checkpoint of another pair before a single weight is loaded.

    Raises:
        CheckpointError: Not one of a pair, of other base models, or with other weights.
    """
    about = checkpoint.get(KEY) if isinstance(checkpoint, Mapping) else None
    if about is None or 'vision_digest' not in about or 'state_dict' not in checkpoint:
        raise CheckpointError(f'{path} is no checkpoint of a pair that cite trained')
    for side, tower in (('vision', model.pair.vision), ('text', model.pair.text)):
        if tower.digest != about[f'{side}_digest']:
            raise CheckpointError(
                f'{path} was trained on a {side} tower with digest {about[f"{side}_digest"][:12]}, the '
                f"config's has {tower.digest[:12]}. Use the same model and weights as in training"
            )
    problems = misfit(checkpoint['state_dict'], model.state_dict())
    if problems:
        raise CheckpointError(
            f'{path} does not fit the model of this config: {problems}. Use the config that it was '
            'trained with (config.py in its run folder)'
        )


@HOOKS.register_module()
class PairFileHook(Hook):
    """Writes `config.py` and `pair.safetensors` into the run folder."""

    priority = 'LOWEST'

    def before_train(self, runner: Any) -> None:
        runner.write_config(TRAIN_CONFIG)

    def after_train(self, runner: Any) -> None:
        pair = runner.bare_model.pair
        for side, tower in (('vision', pair.vision), ('text', pair.text)):
            if not tower.frozen_stands():
                raise TrainingError(
                    f'the frozen weights of the {side} tower changed during training; this is a '
                    f'defect. No {PAIR} was written'
                )
        if not is_main_process():
            return
        spec = json.loads(json.dumps(runner.cfg.model.to_dict()))
        for side, tower in (('vision', pair.vision), ('text', pair.text)):
            if isinstance(spec[side].get('tuning'), dict):
                spec[side]['tuning'] = tower.tuning.stored_as(spec[side]['tuning'])
        info = PairInfo(
            vision={k: v for k, v in spec['vision'].items() if k in VISION_OPTIONS},
            text={k: v for k, v in spec['text'].items() if k in TEXT_OPTIONS},
            dim=spec.get('dim'),
            bias=pair.bias is not None,
            vision_digest=pair.vision.digest,
            text_digest=pair.text.digest,
            training={**about_pair(runner), 'iterations': runner.iter},
        )
        path = Path(runner.work_dir) / PAIR
        save_pair(path, pair, info)
        runner.logger.info(f'pair: {path}')
