"""Which texts a data set is asked with: published ones, those of a prompt set, or the names of its classes.

The evaluation of UniMed-CLIP has up to fifteen written sentences per class. Where there are more than
three they are not kept here but read from its file `constants.py`, of which only plain values are taken:
nothing in it is run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cite.errors import ConfigError
from cite.zeroshot.classes import ClassTexts
from cite.zeroshot.prompts.find import find_prompts
from cite.zeroshot.prompts.prompt_set import DOMAINS, PromptSet
from cite.zeroshot.suite.entry import PUBLISHED, Class, Entry

if TYPE_CHECKING:
    from cite.serving.space import Space

PLACES = ('constants.py', 'UniMed-CLIP/constants.py')
"""Where that file is looked for, under the root of the data."""
LARGEST = 4 << 20
EVALUATION = 'zero-shot evaluation of UniMed-CLIP, constants.py'


class Texts(NamedTuple):
    """What a data set is asked with.

    Attributes:
        classes: Names and texts, in label order.
        prompts: Templates around them.
        origin: 'published', or the name of the prompt set: for tables.
    """

    classes: ClassTexts
    prompts: PromptSet
    origin: str


def texts_of(
    entry: Entry,
    classes: Sequence[Class],
    prompts: str | Path | Sequence[str],
    space: Space,
    constants: Path | None = None,
) -> Texts:
    """The texts and templates of an entry.

    Args:
        classes: Of the entry, or those that were found.
        prompts: 'published' (for a row without published texts: as 'model'), or what `find_prompts` takes.
        constants: UniMed-CLIP's `constants.py`, where it is there.

    Raises:
        ConfigError: Prompts that are not known, texts that do not tell classes apart, or a file of
            constants that lacks what is looked for.
    """
    names = tuple(one.name for one in classes)
    own = ClassTexts(names, tuple(one.texts for one in classes), {'names of': entry.name})
    domain = entry.modality if entry.modality in DOMAINS else None
    if prompts != PUBLISHED:
        found = find_prompts(prompts, space, domain)
        return Texts(own, found, found.name)
    sentences = _sentences(entry, classes, constants)
    if sentences is not None:
        given = ClassTexts(names, sentences, {'file': EVALUATION, 'set': entry.name})
        whole = PromptSet(PUBLISHED, domain or 'general', ('{}',), EVALUATION)
        return Texts(given, whole, PUBLISHED)
    if entry.templates:
        theirs = PromptSet(PUBLISHED, domain or 'general', entry.templates, EVALUATION)
        return Texts(own, theirs, PUBLISHED)
    found = find_prompts('model', space, domain)
    return Texts(own, found, found.name)


def find_constants(root: Path) -> Path | None:
    """UniMed-CLIP's constants.py under the root of the data; None where it is not there."""
    return next((root / place for place in PLACES if (root / place).is_file()), None)


def read_constants(path: Path, name: str) -> Mapping[str, list[str]]:
    """Class → sentences, of one dictionary in that file.

    Raises:
        ConfigError: Another file, or one without that dictionary.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f'{path}: expected at most {LARGEST} bytes')
        tree = ast.parse(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, SyntaxError, RecursionError) as error:
        raise ConfigError(f'{path} is not the constants.py of UniMed-CLIP ({error})') from error
    value = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(at, 'id', '') for at in node.targets] == [
            name
        ]:
            value = node.value
    try:
        found = ast.literal_eval(value) if value is not None else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(own, list) and own and all(isinstance(text, str) for text in own)
        for own in found.values()
    ):
        raise ConfigError(f'{path}: expected {name} = {{class: [sentences]}}')
    return found


def _sentences(
    entry: Entry, classes: Sequence[Class], constants: Path | None
) -> tuple[tuple[str, ...], ...] | None:
    if all(one.sentences for one in classes):
        return tuple(one.sentences for one in classes)
    if not entry.constants or constants is None:
        return None
    found = read_constants(constants, entry.constants)
    if len(found) != len(classes):
        raise ConfigError(
            f'{constants}: {entry.constants} has {len(found)} classes, {entry.name} has {len(classes)}'
        )
    # the evaluation goes by place: its keys are letters and codes
    return tuple(tuple(' '.join(text.split()) for text in own) for own in found.values())
