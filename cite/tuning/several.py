"""Several tunings of one tower at once: a prompt beside LoRA, adapters beside trained norms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning.base import TUNINGS, Tuning
from cite.tuning.merging import Merging
from cite.tuning.own_layers import OwnLayers

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class Several(Tuning):
    """Tunings that act one inside the other; what the last puts in is taken out first.

    Args:
        tunings: Specs, in the order in which they are attached: `[dict(type='VisualPrompt'), 'LoRA']`.
            A config may give the list itself as `tuning`.

    Weights are held under each tuning's number: `tuning.parts.0.prompt`.
    """

    def __init__(self, tunings: Sequence[Any]) -> None:
        super().__init__()
        if not isinstance(tunings, list | tuple) or not tunings:
            raise ConfigError(f'Several: tunings must be a list of tunings, found {tunings!r}')
        self.parts = nn.ModuleList(TUNINGS.build(spec) for spec in tunings)
        self.reads_images = any(part.reads_images for part in self._parts)
        if any(part.trains_all for part in self._parts) and len(self.parts) > 1:
            raise ConfigError(
                "Several: 'FullFineTuning' trains the whole tower; there is nothing to add to it but "
                'prompts or adapters that would stand beside trained weights. Leave it, or the others, out'
            )

        names = [type(part).__name__ for part in self._parts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(
                f'Several: {", ".join(twice)} is there twice; one tuning takes the blocks of both'
            )

    @property
    def _parts(self) -> list[Tuning]:
        return list(self.parts)  # type: ignore[arg-type]

    def attach(self, tower: VisionTower | TextTower) -> None:
        trained: list[nn.Parameter] = []
        for part in self._parts:
            part.attach(tower)
            # PEFT freezes whatever is not its own; what an earlier part lets train goes on training
            for weight in trained:
                weight.requires_grad_(True)
            trained = list(trainable(tower.trunk).values())

    @property
    def first_stage(self) -> int | None:
        found = [part.first_stage for part in self._parts]
        return min((stage for stage in found if stage is not None), default=None)

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """The sum of the parts'; the tower's own weights count once, however many of them train them."""
        own: dict[str, int] = {}
        added = 0
        for part in self._parts:
            if isinstance(part, OwnLayers):
                own |= part.sizes(tower)
            else:
                added += part.trained_parameters(tower)
        return added + sum(own.values())

    def part_of(self, name: str) -> tuple[Tuning, str]:
        """Name of a weight in the tower → the tuning that holds it, and its name there.

        What a part has put into the trunk, or lets train there, is asked of each of them.
        """
        if name.startswith('tuning.parts.'):
            number, _, inner = name.removeprefix('tuning.parts.').partition('.')
            return self._parts[int(number)], f'tuning.{inner}'
        holder = next((part for part in self._parts if part.owns(name)), self._parts[0])
        return holder, name

    def lr_factor(self, name: str) -> float:
        part, inner = self.part_of(name)
        return part.lr_factor(inner)

    def group_of(self, name: str) -> str:
        part, inner = self.part_of(name)
        return part.group_of(inner)

    def owns(self, name: str) -> bool:
        return any(part.owns(name) for part in self._parts)

    def before_embed(self, images: Tensor) -> Tensor:
        for part in self._parts:
            images = part.before_embed(images)
        return images

    def start(self, tokens: Tensor) -> None:
        for part in self._parts:
            part.start(tokens)

    def before_block(self, index: int, tokens: Tensor) -> Tensor:
        for part in self._parts:
            tokens = part.before_block(index, tokens)
        return tokens

    def run_block(self, index: int, tokens: Tensor, run: Callable[[int, Tensor], Tensor]) -> Tensor:
        for part in self._parts:
            run = _inside(part, run)
        return run(index, tokens)

    def after_blocks(self, tokens: Tensor) -> Tensor:
        for part in reversed(self._parts):
            tokens = part.after_blocks(tokens)
        return tokens

    def after_pool(self, features: Tensor, images: Tensor) -> Tensor:
        for part in self._parts:
            features = part.after_pool(features, images)
        return features

    def before_text(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        for part in self._parts:
            tokens = part.before_text(tokens)
        return tokens

    def after_text(self, output: Any) -> Any:
        for part in reversed(self._parts):
            output = part.after_text(output)
        return output

    def set_mode(self, trunk: nn.Module, training: bool) -> None:
        on: set[nn.Module] = set()
        for part in self._parts:  # each puts into eval mode what is not its own
            part.set_mode(trunk, training)
            on.update(module for module in trunk.modules() if module.training)
        for module in on:
            module.training = True

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        for part in self._parts:
            state = part.own_weights(state)
        return state

    def merged_state(self, trunk: nn.Module) -> dict[str, Tensor]:
        """As `Tuning.merged_state`, where at most one part has put layers into the trunk."""
        states = [(part, part.merged_state(trunk)) for part in self._parts]
        put_in = [state for part, state in states if isinstance(part, Merging)]
        if len(put_in) > 1:
            raise ConfigError(
                'Several: two tunings that each put layers in cannot be merged together'
            )
        return put_in[0] if put_in else states[0][1]

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        stored = [
            part.stored_as(dict(inner)) if isinstance(inner, dict) else inner
            for part, inner in zip(self._parts, spec['tunings'], strict=True)
        ]
        return {**spec, 'tunings': stored}

    def extra_repr(self) -> str:
        return ', '.join(map(repr, self._parts))


def _inside(part: Tuning, run: Callable[[int, Tensor], Tensor]) -> Callable[[int, Tensor], Tensor]:
    return lambda index, tokens: part.run_block(index, tokens, run)


def build_tuning(spec: Any) -> Tuning | None:
    """A tuning from a config: a name, a dict, a list of them, a ready one, or None."""
    if spec is None:
        return None
    if isinstance(spec, list | tuple):
        spec = {'type': 'Several', 'tunings': list(spec)}
    built: Tuning = TUNINGS.build(spec)
    return built
