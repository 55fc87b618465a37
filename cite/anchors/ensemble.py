"""Several sentences per class → one anchor per class: the mean of their directions.

CLIP's prompt ensembling (Radford et al., ICML 2021, section 3.1.4): embeddings of all sentences of a class
are normalised, averaged and normalised again. A sentence is one of the class's texts in one of the
templates. One sentence per class is embedded as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn import functional

from cite.anchors.anchors import Anchors
from cite.anchors.descriptions import places, read_descriptions
from cite.anchors.embed import embed_texts
from cite.encoders.text.base import check_texts
from cite.encoders.zoo import PAIRS, find_text_card
from cite.errors import ConfigError

Texts = Sequence[str] | Sequence[Sequence[str]] | str
"""One text per class, several per class, or the name of a file of descriptions."""
SEPARATOR = ' | '


@dataclass(frozen=True)
class ClassSentences:
    """What is embedded of each class.

    Attributes:
        sentences: Of each class, one or more.
        names: Of the classes, where a file says them; None where they stand in the data set's order.
        record: How the sentences came about, for the anchors' provenance; {} for one text per class.
    """

    sentences: tuple[tuple[str, ...], ...]
    names: tuple[str, ...] | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """One string per class: its sentence, or all of them with ' | ' between."""
        return tuple(SEPARATOR.join(sentences) for sentences in self.sentences)

    def for_classes(self, classes: Sequence[str]) -> ClassSentences:
        """The same, in the order of the data set's classes.

        Raises:
            ConfigError: A file that describes other classes.
        """
        if self.names is None:
            return self
        sentences = tuple(self.sentences[i] for i in places(self.names, classes))
        return replace(self, sentences=sentences, names=tuple(classes))


def class_sentences(
    texts: Texts, templates: str | Sequence[str] | None = None, text_encoder: Any = None
) -> ClassSentences:
    """Texts and templates → the sentences of each class.

    Args:
        texts: See `Texts`.
        templates: Sentences with `{}` for the text, one or several; 'pair': those that the authors of the
            text encoder's pair use. None: the texts are the sentences.
        text_encoder: Spec, name or encoder; only looked at for 'pair'.

    Raises:
        ConfigError: An empty text, a class without one, a file that cannot be read, a template without
            `{}`, or a pair whose authors' templates are not known.
    """
    names, record = None, {}
    if isinstance(texts, str):
        described = read_descriptions(texts)
        names, record = described.names, {'descriptions': dict(described.source)}
        of_classes = described.texts
    else:
        of_classes = _listed(texts)
    chosen = _templates(templates, text_encoder)
    sentences = tuple(
        tuple(template.replace('{}', text) for text in own for template in chosen)
        for own in of_classes
    )
    if any(len(own) > 1 for own in sentences):
        record['ensemble'] = {'sentences': sum(map(len, sentences)), 'templates': list(chosen)}
    return ClassSentences(sentences, names, record)


def embed_classes(classes: ClassSentences, text_encoder: Any) -> Anchors:
    """One anchor per class, through the cache on disk.

    Returns:
        Of one sentence per class what `embed_texts` gives; else unit vectors, (classes, dim) float32.

    Raises:
        ConfigError, ModelError: As `embed_texts`.
    """
    flat = [sentence for own in classes.sentences for sentence in own]
    found = embed_texts(flat, text_encoder)
    embeddings = found.embeddings
    if len(flat) > len(classes.sentences):
        parts = functional.normalize(embeddings, dim=-1).split([len(s) for s in classes.sentences])
        embeddings = functional.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)
    provenance = {**found.provenance, **classes.record}
    return Anchors(embeddings, classes.texts, provenance, classes.names)


def pair_templates(text_encoder: Any) -> tuple[str, ...]:
    """The templates of the pair whose text half an encoder is.

    Raises:
        ConfigError: It belongs to no pair of the zoo, or its row has none.
    """
    named = text_encoder.get('model') if isinstance(text_encoder, Mapping) else text_encoder
    model = str(getattr(named, 'model', named))
    card = find_text_card(model)
    found = [pair.templates for pair in PAIRS.values() if card and pair.text == card.name]
    if not any(found):
        raise ConfigError(
            f"templates='pair': no templates are known of {model}. Give sentences with {{}} for the text: "
            "templates=['a histopathology image of {}.']"
        )
    return next(filter(None, found))


def _listed(texts: Any) -> tuple[tuple[str, ...], ...]:
    several = isinstance(texts, Sequence) and any(
        isinstance(own, Sequence) and not isinstance(own, str) for own in texts
    )
    if not several:
        check_texts(texts)
        return tuple((text,) for text in texts)
    classes = []
    for number, own in enumerate(texts):
        synonyms = (own,) if isinstance(own, str) else own
        said = isinstance(synonyms, Sequence) and all(
            isinstance(t, str) and t.strip() for t in synonyms
        )
        if not said or not synonyms:
            raise ConfigError(
                f'texts: class {number} needs a text or a list of texts, none of them empty; found {own!r}'
            )
        classes.append(tuple(synonyms))
    return tuple(classes)


def _templates(templates: Any, text_encoder: Any) -> tuple[str, ...]:
    if templates is None:
        return ('{}',)
    if templates == 'pair':
        return pair_templates(text_encoder)
    listed = (templates,) if isinstance(templates, str) else templates
    right = isinstance(listed, Sequence) and all(isinstance(t, str) and '{}' in t for t in listed)
    if not right or not listed:
        raise ConfigError(
            f'each template needs {{}} for the text, such as "a photo of a {{}}."; found {templates!r}'
        )
    return tuple(listed)
