"""The models that a page offers, by the names it shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cite.demo.settings import DEFAULT, Settings
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.encoders.pair import Pair
    from cite.serving import Predictor, Space
    from cite.zeroshot import ClassTexts, PromptSet


class Models:
    """Pairs, which are asked for any classes, and adapters, which have their own.

    All are loaded at once, so that what is wrong is told before the page opens.

    Args:
        settings: Which ones; `tiny-tissue` is always among them.

    Attributes:
        pairs, adapters: By name, in the order of the settings.

    Raises:
        CiteError: One that cannot be loaded.
    """

    def __init__(self, settings: Settings) -> None:
        from cite.encoders.pairs import load_pair
        from cite.inference.device import settle_device
        from cite.serving import load
        from cite.serving.space import space_of_pair

        device = settle_device(settings.device)
        names = list(dict.fromkeys([*settings.pairs, DEFAULT]))
        self.pairs: dict[str, Pair] = {name: load_pair(name).to(device).eval() for name in names}
        self.spaces: dict[str, Space] = {
            name: space_of_pair(pair, name) for name, pair in self.pairs.items()
        }
        self.adapters: dict[str, Predictor] = {
            _called(path, settings.adapters): load(path, device=settings.device)
            for path in dict.fromkeys(settings.adapters)
        }

    @property
    def names(self) -> list[str]:
        """Of all; adapters first, since who gives one wants to see it."""
        return [*self.adapters, *self.pairs]

    def classes_of(self, name: str) -> tuple[str, ...]:
        """Those of an adapter; () for a pair."""
        return self.adapters[name].classes if name in self.adapters else ()

    def asking(self, name: str, classes: ClassTexts | None, prompts: PromptSet | None) -> Predictor:
        """What classifies: an adapter, or a pair asked for these classes.

        A class of a pair is the direction of its text in all the templates.

        Raises:
            ConfigError: A pair without classes, or a text that is too long for it.
        """
        if name in self.adapters:
            return self.adapters[name]
        if classes is None or prompts is None:
            raise ConfigError(f'{name} is a pair: write the classes that it is to be asked for')
        return asked(self.pairs[name], name, classes, prompts.templates)


def asked(pair: Pair, name: str, classes: ClassTexts, templates: Sequence[str]) -> Predictor:
    """A pair as a classifier by texts, with what an adapter would say of its preprocessing."""
    from cite.adapter import AdapterInfo
    from cite.attribution import ask
    from cite.encoders.card import preprocessing
    from cite.serving import Predictor

    tower = pair.vision
    classifier = ask(pair, [own[0] for own in classes.texts], list(templates))
    classifier.classes = classes.names
    about = {**preprocessing(tower.card, tower.image_size), 'mpp': tower.card.mpp}
    info = AdapterInfo(
        backbone={'model': name},
        neck=None,
        head={'type': 'ZeroShotHead'},
        classes=list(classes.names),
        tower_digest=tower.digest,
        preprocessing=about,
    )
    return Predictor(classifier, info)


def prompts_of(space: Space, name: str) -> PromptSet:
    """Templates by a name of `prompt_names`; those of pathology where a model's own are not known."""
    from cite.demo.inputs import chosen
    from cite.zeroshot import find_prompts

    return find_prompts(chosen(name, prompt_names(), 'prompts'), space, 'pathology')


@lru_cache
def prompt_names() -> tuple[str, ...]:
    """What can be chosen: the texts alone, the model's own, published sets for pathology."""
    from cite.zeroshot import prompt_sets

    sets = [name for name, own in prompt_sets().items() if own.domain in ('pathology', 'general')]
    return ('none', 'model', *sets)


def _called(path: Path, others: Sequence[Path]) -> str:
    """An adapter by folder and file; by its whole path where two are called so."""
    name = f'{path.resolve().parent.name}/{path.name}'
    same = [other for other in others if f'{other.resolve().parent.name}/{other.name}' == name]
    return name if len(set(same)) < 2 else str(path)
