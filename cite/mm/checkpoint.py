"""Checkpoints of tensors and plain values: what trained, the optimiser, random state, and a check.

torch reads files with `weights_only=True`, which refuses mmengine's history buffers; they are turned
into plain lists on the way out and back on the way in. Frozen weights never get here (their state
dicts leave them out); the digest of the tower stands in for them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.registry import HOOKS
from torch import Tensor

from cite.adapter import check_tower
from cite.anchors import Anchors
from cite.errors import CheckpointError
from cite.heads.base import of_head
from cite.heads.text_embedding import TextEmbeddingHead
from cite.mm.stain_record import check_stain, stain_record
from cite.mm.trained_on import other_training_data, trained_on
from cite.state import misfit

KEY = 'cite'


@HOOKS.register_module()
class CheckpointStateHook(Hook):
    """Makes checkpoints plain when they are saved, and checks them when they are loaded."""

    priority = 'VERY_LOW'  # after every other hook has had its say

    def before_train(self, runner: Any) -> None:
        """From here on the config's data count, whatever the loaded weights were trained on."""
        other = other_training_data(runner.trained_on, runner.cfg)
        if other is not None:
            runner.logger.warning(f'training goes on with other data: {other}')
        runner.trained_on = None

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        model = runner.bare_model
        checkpoint['message_hub'] = plain_message_hub(checkpoint['message_hub'])
        checkpoint[KEY] = {
            'tower': model.backbone.card.name,
            'tower_digest': model.backbone.digest,
            'classes': list(model.classes),
            'anchors': _anchors(model.head),
            'stain': stain_record(runner.cfg),
            'trained_on': trained_on(runner.cfg),
        }
        checkpoint['random_state'] = runner.random_states

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        check_checkpoint(runner.bare_model, checkpoint, str(runner.loading))
        check_stain(str(runner.loading), checkpoint[KEY], runner.cfg)
        runner.trained_on = checkpoint[KEY].get('trained_on')
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = rich_message_hub(checkpoint['message_hub'])


def _anchors(head: Any) -> dict[str, Any] | None:
    if not isinstance(head, TextEmbeddingHead):
        return None
    return {'texts': list(head.texts), 'provenance': dict(head.provenance)}


def check_checkpoint(model: Any, checkpoint: Mapping[str, Any], path: str) -> None:
    """Refuses a checkpoint of another model before a single weight is loaded.

    Raises:
        CheckpointError: Not written by cite, other classes, another base model, other texts or text
            embeddings, or other weights.
    """
    about = checkpoint.get(KEY) if isinstance(checkpoint, Mapping) else None
    if about is None or 'state_dict' not in checkpoint:
        raise CheckpointError(
            f'{path} is no checkpoint of cite (it lacks {KEY!r}). Weights of a base model go to '
            'model.backbone.weights'
        )
    if 'classes' not in about:
        raise CheckpointError(
            f'{path} is a checkpoint of a pair, and the config is one for classes. Test it with the config '
            'that it was trained with'
        )
    if tuple(about['classes']) != tuple(model.classes):
        raise CheckpointError(
            f'{path} was trained for the classes {about["classes"]}, the config has '
            f'{list(model.classes)}'
        )
    check_tower(path, about['tower_digest'], model.backbone)
    _check_anchors(path, about['anchors'], checkpoint['state_dict'], model.head)
    model.head.make_room(of_head(checkpoint['state_dict']))
    problems = misfit(checkpoint['state_dict'], model.state_dict())
    if problems:
        raise CheckpointError(
            f'{path} does not fit the model of this config: {problems}. Use the config that it was '
            'trained with (config.py in its run folder)'
        )


def _check_anchors(
    path: str, about: Mapping[str, Any] | None, state: Mapping[str, Tensor], head: Any
) -> None:
    """Anchors are loaded with the rest: those of the config must be the ones that were trained with."""
    if about is None or not isinstance(head, TextEmbeddingHead):
        return  # another kind of head, which the names of its weights tell
    for number, (saved, wanted) in enumerate(zip(about['texts'], head.texts, strict=False)):
        if saved != wanted:
            raise CheckpointError(
                f'{path} was trained with other texts: text {number} was {saved!r}, the config has '
                f'{wanted!r}'
            )
    embeddings, anchors = state.get('head.anchors'), head.anchors
    if embeddings is None or embeddings.shape != anchors.shape:
        return  # told with the other shapes
    # another machine may round otherwise; another encoder differs in the first digits
    slack = 0.01 * float(anchors.std())
    if not torch.allclose(embeddings.to(anchors), anchors, rtol=0.01, atol=slack):
        then, now = about['provenance'], head.provenance
        raise CheckpointError(
            f'{path} was trained with anchors of {then.get("model")} ({then.get("pooling")}), the '
            f'config has those of {now.get("model")} ({now.get("pooling")})'
        )


def plain_message_hub(state: Mapping[str, Any]) -> dict[str, Any]:
    """mmengine's message hub as lists and numbers; what is neither is left out."""
    scalars = {}
    for name, buffer in state['log_scalars'].items():
        history, counts = buffer.data
        scalars[name] = [history.tolist(), counts.tolist(), buffer.max_length]
    return {
        'log_scalars': scalars,
        'runtime_info': {
            key: plain
            for key, value in state['runtime_info'].items()
            if (plain := _plain(value)) is not _DROP
        },
        'resumed_keys': dict(state['resumed_keys']),
    }


def rich_message_hub(state: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `plain_message_hub`."""
    buffers = {
        name: HistoryBuffer(history, counts, max_length)
        for name, (history, counts, max_length) in state['log_scalars'].items()
    }
    return {**state, 'log_scalars': buffers}


_DROP = object()


def _plain(value: Any) -> Any:
    """Numbers, strings and lists of them, with NumPy's scalars as Python's; `_DROP` for the rest."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return _DROP if _DROP in items else items
    if isinstance(value, Mapping):
        fields = {str(key): _plain(item) for key, item in value.items()}
        return _DROP if _DROP in fields.values() else fields
    return value if value is None or isinstance(value, str | int | float | bool) else _DROP


def random_state() -> dict[str, Any]:
    """State of every generator of this process, as tensors and plain values."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = cast(tuple[Any, ...], np.random.get_state())
    state: dict[str, Any] = {
        'python': [version, list(words), gauss],
        'numpy': [str(name), torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Puts every generator back where `random_state` found it."""
    version, words, gauss = state['python']
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


def latest_checkpoint(folder: Path) -> str | None:
    """The checkpoint to resume: the one that mmengine noted, else the one with the most iterations.

    The note is an absolute path; in a folder that was copied, the copy counts.
    """
    note = folder / 'last_checkpoint'
    noted = (
        Path(note.read_text(encoding='utf-8', errors='replace').strip() or '.')
        if note.is_file()
        else Path()
    )
    for path in (folder / noted.name, noted):
        if path.is_file():
            return str(path)
    found = _numbered(folder)
    return str(found[max(found)]) if found else None


def checkpoint_before(damaged: Path) -> Path | None:
    """The newest checkpoint beside a damaged one that has fewer iterations and can be read."""
    found = _numbered(damaged.parent)
    number = next((n for n, path in found.items() if path.name == damaged.name), None)
    for older in sorted((n for n in found if number is None or n < number), reverse=True):
        try:
            torch.load(found[older], map_location='cpu', weights_only=True)
        except Exception:  # damaged as well, in whatever way
            continue
        return found[older]
    return None


def _numbered(folder: Path) -> dict[int, Path]:
    return {
        int(match[1]): path
        for path in folder.glob('iter_*.pth')
        if (match := re.fullmatch(r'iter_(\d+)\.pth', path.name))
    }


def anchors_of_checkpoint(path: str, texts: Sequence[str] | None) -> Anchors | None:
    """The text anchors that a checkpoint holds, if they are of these texts."""
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception:  # whatever is wrong with it is told when it is loaded
        return None
    if not isinstance(checkpoint, Mapping):
        return None
    provenance = checkpoint.get(KEY, {}).get('anchors')
    embeddings = checkpoint.get('state_dict', {}).get('head.anchors')
    if provenance is None or embeddings is None or provenance['texts'] != list(texts or ()):
        return None
    return Anchors(embeddings, tuple(provenance['texts']), provenance['provenance'])
