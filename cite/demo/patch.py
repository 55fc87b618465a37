"""A patch, a model and classes → scores, the place that speaks for a class, files of both."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cite.atomic import write_text
from cite.demo.inputs import chosen, class_lines
from cite.demo.models import Models, prompts_of
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.zeroshot import ClassTexts, PromptSet

SIDE = 300
"""Pixels of a drawn example."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of a patch.

    Attributes:
        model: Its name on the page.
        classes: C names.
        texts: Of a pair, what stands for each class; () for an adapter.
        probabilities: (C,) float32, of these classes alone.
        cosines: (C,) float32 of a pair; None for an adapter.
        note: What the probabilities are, for the page.
    """

    model: str
    classes: tuple[str, ...]
    texts: tuple[str, ...]
    probabilities: NDArray[np.float32]
    cosines: NDArray[np.float32] | None
    note: str

    @property
    def bars(self) -> dict[str, float]:
        """Class → probability."""
        return dict(zip(self.classes, map(float, self.probabilities), strict=True))

    @property
    def best(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]


def asked_for(
    models: Models, model: object, lines: str | None, prompts: object
) -> tuple[str, ClassTexts | None, PromptSet | None]:
    """Model, classes and templates that fields say; of an adapter the classes are its own.

    Raises:
        ConfigError: A model or templates that are not on offer, or classes that cannot be asked for.
    """
    name = chosen(model, models.names, 'model')
    if name in models.adapters:
        return name, None, None
    return name, class_lines(lines), prompts_of(models.spaces[name], str(prompts))


def classify(
    models: Models, picture: Image.Image, model: object, lines: str | None, prompts: object
) -> Scores:
    """Scores of one patch.

    Args:
        model: One of `models.names`.
        lines: Classes of a pair, one per line; of no matter for an adapter.
        prompts: One of `prompt_names()`, likewise.

    Raises:
        ConfigError: As `asked_for`, or a text that is too long for the model.
    """
    from cite.zeroshot import zero_shot

    name, classes, templates = asked_for(models, model, lines, prompts)
    if classes is None or templates is None:
        found = models.adapters[name].predict([picture])
        note = 'Probabilities of the classes that the adapter was trained on.'
        return Scores(name, found.classes, (), found.scores[0], None, note)
    space = models.spaces[name]
    scores = zero_shot(space, space.encode_images([picture]), classes, templates)
    count = len(templates.templates)
    note = (
        f'Softmax of {space.scale:.1f} × cosine over these {len(classes)} classes: other classes, other '
        f'figures. Prompts: {templates.name} ({count} template{"s" if count > 1 else ""}).'
    )
    texts = tuple(own[0] for own in classes.texts)
    return Scores(
        name, classes.names, texts, scores.probabilities[0], scores.cosines[0].copy(), note
    )


def explain_patch(
    models: Models,
    picture: Image.Image,
    model: object,
    lines: str | None,
    prompts: object,
    class_name: str | None,
    method: object,
) -> Image.Image:
    """The patch beside a map of what speaks for a class, with its scale.

    Args:
        class_name: None or '': the most probable.
        method: One of `cite.attribution.METHODS`.

    Raises:
        ConfigError: As `classify`, or another class or method.
        ModelError: A tower that the method cannot look into.
    """
    from cite.attribution import METHODS, draw, explain

    name, classes, templates = asked_for(models, model, lines, prompts)
    how = chosen(method, METHODS.names(), 'map')
    predictor = models.asking(name, classes, templates)
    if class_name and class_name not in predictor.classes:
        raise ConfigError(f'map: the classes are now {", ".join(predictor.classes)}; choose again')
    found = explain(predictor, picture, class_name or None, how)
    content = io.BytesIO()
    draw(picture, [[found]]).savefig(content, format='png')
    return Image.open(content).convert('RGB')


def write_csv(scores: Scores, path: Path) -> None:
    """Class, text, cosine, probability; the most probable first."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['class', 'text', 'cosine', 'probability', 'model'])
    for row in np.argsort(-scores.probabilities, kind='stable'):
        said = scores.texts[row] if scores.texts else ''
        cosine = '' if scores.cosines is None else f'{scores.cosines[row]:.6f}'
        probability = f'{scores.probabilities[row]:.6f}'
        table.writerow([scores.classes[row], said, cosine, probability, scores.model])
    write_text(path, text.getvalue())


def drawn_example() -> Image.Image:
    """A patch of drawn tissue, another one each time, for those who have none at hand."""
    from cite.data.synthetic.cases import cases

    number = int(np.random.default_rng().integers(300))
    return Image.fromarray(cases(7, 'seen', 100)[number].open().region(SIDE))
