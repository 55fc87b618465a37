"""All data sets of a suite, one after the other; what is missing or wrong in one stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cite.errors import CiteError, ConfigError, DataError
from cite.zeroshot.suite.entry import Entry
from cite.zeroshot.suite.outputs import write_outputs
from cite.zeroshot.suite.result import SetResult, SuiteResult
from cite.zeroshot.suite.scoring import Options, score_set
from cite.zeroshot.suite.suite_file import Suite, load_suite
from cite.zeroshot.suite.texts import find_constants

if TYPE_CHECKING:
    from cite.serving.space import Space


def run_suite(
    suite_file: str | Path,
    data_root: str | Path,
    space: Space,
    out: str | Path,
    *,
    prompts: str | Path | Sequence[str] = 'model',
    pooling: str = 'embeddings',
    truncate: bool = False,
    skip_bad: bool = False,
    batch_size: int | Literal['auto'] = 'auto',
    precision: str = 'auto',
    workers: int | None = None,
    progress: bool = True,
) -> SuiteResult:
    """Zero-shot classification of many data sets, with averages per modality.

    Into `out`: suite.csv, suite.md, suite.html, suite.png, results.json, and what is kept: features
    (features/NAME.npy) and results (sets/NAME.json), which are used again where nothing changed.

    Args:
        suite_file: YAML file (`load_suite`), or 'unimed21'.
        data_root: Folder that the data sets are under.
        prompts: 'model': what each entry says, and where it says nothing the templates of the model.
            Anything else holds for all data sets: 'published' or what `find_prompts` takes.
        pooling, truncate: As `zero_shot`.
        skip_bad: Leave out images that cannot be read, and say how many; else their data set fails.
        batch_size, precision, workers, progress: As `cite.inference.extract`.

    Raises:
        ConfigError: A suite that is not as `load_suite` has it, or an unknown pooling.
        DataError: No such folder, or none of the data sets is in it; the message lists what is expected.
    """
    from tqdm import tqdm

    from cite.zeroshot.pooling import POOLINGS

    suite = load_suite(suite_file)
    if pooling not in POOLINGS:
        raise ConfigError(f'pooling {pooling!r}, expected one of {", ".join(POOLINGS)}')
    root, out = Path(data_root).expanduser(), Path(out).expanduser()
    if not root.is_dir():
        raise DataError(f'data root {root}: no such folder')
    _refuse_nothing(suite, root)
    options = Options(
        out,
        prompts,
        pooling,
        truncate,
        skip_bad,
        batch_size,
        precision,
        workers,
        progress,
        find_constants(root),
    )
    bar = tqdm(suite.entries, desc='data sets', unit='set', delay=2, disable=not progress)
    sets = tuple(_one(entry, root, space, options) for entry in bar)
    result = SuiteResult(suite.name, space.name, sets, out)
    write_outputs(result, suite)
    return result


def _one(entry: Entry, root: Path, space: Space, options: Options) -> SetResult:
    plain = (entry.name, entry.title, entry.modality, entry.metric)
    found = entry.find(root)
    if found is None:
        return SetResult(*plain, 'missing', f'looked for {entry.expects}')
    layout, base = found
    try:
        return score_set(entry, layout, base, space, options)
    except (CiteError, OSError) as error:
        reason = ' '.join(str(error).split())
        return SetResult(*plain, 'failed', reason, where=str(base))


def _refuse_nothing(suite: Suite, root: Path) -> None:
    if any(entry.find(root) is not None for entry in suite.entries):
        return
    expected = '; '.join(f'{entry.name}: {entry.expects}' for entry in suite.entries)
    raise DataError(
        f'none of the {len(suite.entries)} data sets of {suite.name} is under {root}. Expected there: '
        f'{expected}'
    )
