"""What docs/speed.md shows works as written."""

from __future__ import annotations

import re

from repo import REPO

PAGE = (REPO / 'docs' / 'speed.md').read_text(encoding='utf-8')
SCRIPTS = re.findall(r'^```python\n(.*?)^```', PAGE, re.M | re.S)


def test_a_grid_of_heads(capsys):
    script = next(script for script in SCRIPTS if 'train_grid' in script)
    exec(script, {})
    assert '[45, 60, 3]' in capsys.readouterr().out


def test_the_modes_and_defaults_are_those_of_the_code():
    from cite.mm.cache_options import DEFAULTS, MODES, VIEWS

    told = f"cache=dict(mode='{DEFAULTS['mode']}', limit_gb={DEFAULTS['limit_gb']}, dtype='auto')"
    assert told in PAGE
    assert all(f"'{mode}'" in PAGE for mode in MODES)
    assert f'gets {VIEWS} views' in PAGE
