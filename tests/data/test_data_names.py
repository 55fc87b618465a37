from __future__ import annotations

import subprocess
import sys

import pytest

import cite.data


def test_every_public_name_is_there():
    for name in cite.data.__all__:
        assert getattr(cite.data, name) is not None
    assert set(cite.data.__all__) == set(cite.data._HOME_OF)
    with pytest.raises(AttributeError):
        _ = cite.data.PatchTabel


def test_tables_and_splits_need_no_torch():
    names = 'PatchTable, TrainBatchSampler, few_shot_split, read_patches, write_split'
    code = (
        f'import sys; from cite.data import {names}; '
        'print(sorted({"torch", "pandas"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
