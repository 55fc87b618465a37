"""A prepared data set as a fragment of a config, which other configs name in `_base_`."""

from __future__ import annotations

from pathlib import Path

from cite.data.splits import Split
from cite.data.table import PatchTable

NAME = 'dataset.py'


def config_fragment(
    table: PatchTable,
    split: Split,
    out: str | Path,
    mpp: float | None = None,
    patch_size: int | None = None,
) -> str:
    """Classes, root, microns per pixel, patch size and loaders, as Python text.

    The training part named is that of the most shots. Manifests under the root are named relative to
    it, so that another `data_root` moves them along.

    Args:
        table: what the split was drawn from.
        split: which slides train and which evaluate.
        out: folder of the manifests.
        mpp: microns per pixel, where known.
        patch_size: pixels along a side, where all patches are squares of one size.
    """
    root, out = table.root.resolve(), Path(out).resolve()
    folder = out.relative_to(root) if out.is_relative_to(root) else out
    most = [shots for shots in split.train if shots != 'all'] or ['all']
    lines = [
        '# Written by cite prepare. Name it in `_base_` of a config; other shots are one option:',
        '#   --cfg-options train_dataloader.dataset.ann_file=.../train_1.csv',
        'classes = [',
        *(f'    {name!r},' for name in split.classes),
        ']',
        f'data_root = {root.as_posix()!r}',
        *([] if mpp is None else [f'mpp = {mpp!r}']),
        *([] if patch_size is None else [f'patch_size = {patch_size!r}']),
        '',
        'train_dataloader = dict(',
        '    batch_size=64,',
        '    num_workers=4,',
        "    sampler=dict(type='PatchSampler', balance='class'),",
        '    dataset=dict(',
        "        type='PatchDataset',",
        f'        ann_file={(folder / f"train_{most[-1]}.csv").as_posix()!r},',
        '        classes=classes,',
        "        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],",
        '    ),',
        ')',
        'val_dataloader = None  # model selection on the evaluation slides would be cheating',
        'test_dataloader = dict(',
        '    batch_size=64,',
        '    num_workers=4,',
        '    dataset=dict(',
        "        type='PatchDataset',",
        f'        ann_file={(folder / "val.csv").as_posix()!r},',
        '        classes=classes,',
        '    ),',
        ')',
    ]
    return '\n'.join(lines) + '\n'
