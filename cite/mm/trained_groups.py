"""What of a config's model trains, told by building it."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.registry import MODELS

from cite.frozen import trainable
from cite.mm.param_groups import places_of
from cite.mm.resolve import resolve


def trained_groups(cfg: Config) -> dict[str, int]:
    """'prompt', 'peft', 'tower', 'neck', 'head' → weights that train; {} where nothing does.

    A head whose trained weights are features of training patches counts with none of them, since these
    are not there yet.
    """
    model = MODELS.build(resolve(cfg, 'cpu').model)
    weights = trainable(model)
    found: dict[str, int] = {}
    for name, place in places_of(model, list(weights)).items():
        found[place.group] = found.get(place.group, 0) + weights[name].numel()
    return found
