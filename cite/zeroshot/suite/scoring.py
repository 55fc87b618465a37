"""One data set of a suite: features (kept), texts, scores, metric (kept)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cite.atomic import write_json
from cite.data.table import PatchTable
from cite.errors import DataError
from cite.inference.feature_table import read_features
from cite.zeroshot.run import measure, zero_shot
from cite.zeroshot.suite.entry import Class, Entry
from cite.zeroshot.suite.layout import Layout
from cite.zeroshot.suite.result import SetResult, plain
from cite.zeroshot.suite.texts import Texts, texts_of

if TYPE_CHECKING:
    from cite.serving.space import Space

SHOWN = ('accuracy', 'balanced_accuracy', 'macro_f1', 'auroc')
VERSION = 1
"""Of what is kept; another one is computed anew."""


@dataclass(frozen=True)
class Options:
    """What all data sets of a run share: see `cite.zeroshot.suite.run_suite`."""

    out: Path
    prompts: str | Path | Sequence[str] = 'model'
    pooling: str = 'embeddings'
    truncate: bool = False
    skip_bad: bool = False
    batch_size: int | Literal['auto'] = 'auto'
    precision: str = 'auto'
    workers: int | None = None
    progress: bool = True
    constants: Path | None = None


def score_set(
    entry: Entry, layout: Layout, base: Path, space: Space, options: Options
) -> SetResult:
    """Scores one data set, or takes over what is kept of it where nothing has changed.

    Raises:
        CiteError: Files, labels, images or texts that are not as they have to be.
    """
    table = entry.table(layout, base)
    classes = entry.classes or tuple(
        Class(name, name, (' '.join(name.replace('_', ' ').split()),)) for name in table.classes
    )
    texts = texts_of(entry, classes, _prompts(entry, options), space, options.constants)
    features, kept, skipped, question = _features(entry, table, space, options)
    key = _key(entry, kept, texts, space, options, question)
    place = options.out / 'sets' / f'{entry.name}.json'
    earlier = _earlier(place, key)
    if earlier is not None:
        return earlier
    scores = zero_shot(
        space, features, texts.classes, texts.prompts, options.pooling, options.truncate
    )
    metrics = measure(scores, kept)['patch']
    value = metrics[entry.metric]
    if value is None:
        raise DataError(
            f'{entry.metric} is not defined here: images of '
            f'{len(np.unique(kept.labels))} of {len(classes)} classes'
        )
    shares = np.bincount(kept.labels) / len(kept)
    found = SetResult(
        name=entry.name,
        title=entry.title,
        modality=entry.modality,
        metric=entry.metric,
        status='scored',
        value=value,
        interval=_wilson(value, len(kept)) if entry.metric == 'accuracy' else None,
        metrics={name: metrics[name] for name in SHOWN},
        n=len(kept),
        classes=len(classes),
        majority=float(shares.max()),
        skipped=skipped,
        prompts=texts.origin,
        where=str(base),
    )
    record = {
        'key': key,
        'result': plain(found),
        'metrics': metrics,
        'layout': layout.expects(),
        'about': dict(entry.about),
        'asked': dict(scores.record),
    }
    write_json(place, record)
    return found


def _prompts(entry: Entry, options: Options) -> str | Path | Sequence[str]:
    """What the run says, if it says anything; else the entry's; else the model's."""
    if options.prompts != 'model' or entry.prompts is None:
        return options.prompts
    return entry.prompts


def _features(
    entry: Entry, table: PatchTable, space: Space, options: Options
) -> tuple[np.ndarray, PatchTable, int, str]:
    """Features, the rows that have some, how many do not, and the key of the features."""
    names = list(dict.fromkeys(table.files.tolist()))  # an image may be listed twice
    out = options.out / 'features' / f'{entry.name}.npy'
    out.parent.mkdir(parents=True, exist_ok=True)
    extracted = space.extract(
        [table.root / name for name in names],
        out,
        names=names,
        batch_size=options.batch_size,
        precision=options.precision,
        workers=options.workers,
        skip_bad=options.skip_bad,
        progress=options.progress,
    )
    stored = read_features(extracted.out)
    there = np.isin(table.files, stored.names)
    if not there.any():
        raise DataError(f'{table.source}: none of its {len(table)} images can be read')
    kept = table if there.all() else table.subset(there)
    features = stored.features[stored.rows_of(kept.files.tolist())]
    return features, kept, int((~there).sum()), str(extracted.record.get('question', ''))


def _key(
    entry: Entry,
    table: PatchTable,
    texts: Texts,
    space: Space,
    options: Options,
    question: str,
) -> str:
    """A digest of all that decides the result."""
    decides: dict[str, Any] = {
        'version': VERSION,
        'metric': entry.metric,
        'modality': entry.modality,
        'title': entry.title,
        'files': table.files.tolist(),
        'labels': table.labels.tolist(),
        'root': str(table.root),
        'names': texts.classes.names,
        'texts': texts.classes.texts,
        'prompts': asdict(texts.prompts),
        'pooling': options.pooling,
        'truncate': options.truncate,
        'space': space.about,
        'features': question,
    }
    content = json.dumps(decides, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _earlier(place: Path, key: str) -> SetResult | None:
    try:
        record = json.loads(place.read_text('utf-8'))
        if record['key'] != key:
            return None
        said: Mapping[str, Any] = record['result']
        ends = said['interval']
        return SetResult(**{**said, 'interval': ends and tuple(ends), 'kept': True})
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is computed again


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest

    ends = binomtest(round(share * n), n).proportion_ci(method='wilson')
    return float(ends.low), float(ends.high)
