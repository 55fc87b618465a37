"""What is looked at before a pair is trained: mistakes are refused, doubts are told."""

from __future__ import annotations

from tqdm import tqdm

from cite.data.captions import normalise_caption
from cite.data.overlap import overlap
from cite.data.pairs import PairTable
from cite.data.table import some
from cite.encoders.text.hub import quiet
from cite.encoders.text.tower import TextTower
from cite.errors import ConfigError, DataError


def check_pairs(train: PairTable, val: PairTable | None, batch: int) -> list[str]:
    """Whether these pairs can be trained on, and what a reader of the result has to know of them.

    Args:
        batch: Pairs in a batch.

    Returns:
        Sentences: slides or files that training and validation share, validation texts that were
        trained on, batches with more pairs than there are texts.

    Raises:
        ConfigError: Fewer pairs than a batch takes.
        DataError: One text only, which there is nothing to tell from.
    """
    texts = distinct(train)
    if len(texts) < 2:
        raise DataError(
            f'{train.source}: all {len(train)} pairs have one text; contrast needs at least two'
        )
    if len(train) < batch:
        raise ConfigError(
            f'{train.source} has {len(train)} pairs, fewer than a batch of {batch}: give --batch '
            f'{len(train)} or less (train_dataloader.batch_size)'
        )
    notes = []
    if len(texts) < batch:
        notes.append(
            f'a batch of {batch} pairs meets {len(texts)} texts at most: rows of one text are '
            'positives of each other, so a larger batch brings no new negatives'
        )
    if val is None:
        return notes
    shared = overlap(train.patches(), val.patches())
    if shared is not None:
        unit, names = shared
        notes.append(
            f'LEAK: training and validation share {len(names)} {unit} ({some(names)}): recall@k does '
            f'not tell how the pair does on new {unit}'
        )
    known = texts & distinct(val)
    if known:
        notes.append(f'{len(known)} of the {len(distinct(val))} validation texts are trained on')
    return notes


def distinct(pairs: PairTable) -> set[str]:
    """The texts, each once, as `cite.data.captions` compares them."""
    return {normalise_caption(text) for text in set(pairs.captions)}


def too_long(tower: TextTower, *tables: PairTable | None) -> str | None:
    """How many captions are longer than a text tower reads, as a sentence; None where none is."""
    once = sorted({text for table in tables if table is not None for text in table.captions})
    lengths = []
    for start in tqdm(range(0, len(once), 1000), 'captions', unit='thousand', delay=2):
        with quiet():  # transformers warns of each long text in words of its own
            found = tower.tokenizer(once[start : start + 1000])['input_ids']
        lengths += [len(tokens) for tokens in found]
    longer = sum(length > tower.limit for length in lengths)
    if not longer:
        return None
    return (
        f'{longer} of {len(once)} captions are longer than the {tower.limit} tokens that {tower.name} '
        f'reads (the longest has {max(lengths)}): their ends are cut'
    )
