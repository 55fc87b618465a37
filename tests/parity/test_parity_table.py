"""The table in docs/parity.md says what these tests find; `CITE_WRITE_PARITY_TABLE=1` writes it anew."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest
from golden import LIMIT, WORST
from repo import REPO

PAGE = REPO / 'docs' / 'parity.md'
BEGIN, END = '<!-- table -->\n', '<!-- end of the table -->\n'
OTHER_CPU = 3  # another processor rounds otherwise


def number(value: float) -> str:
    """Rounded up to one digit."""
    if value == 0:
        return 'none'
    size = 10 ** math.floor(math.log10(value))
    return f'{math.ceil(value / size * 0.999999) * size:.0e}'


def table() -> str:
    lines = ['| what | cases | worst deviation | allowed |', '|:--|--:|--:|--:|']
    for group in sorted(WORST):
        worst = max(WORST[group].values())
        allowed = f'{LIMIT[group]:.0e}' if LIMIT[group] else 'none'
        lines.append(f'| {group} | {len(WORST[group])} | {number(worst)} | {allowed} |')
    return '\n'.join(lines) + '\n'


def whole_suite_ran(request: pytest.FixtureRequest) -> bool:
    ran = {Path(item.path).name for item in request.session.items}
    chosen = request.config.option.keyword or any('::' in arg for arg in request.config.args)
    return {path.name for path in Path(__file__).parent.glob('test_*.py')} <= ran and not chosen


def test_the_table_in_the_docs_is_true(request, parity):
    parity('README.json')
    if not whole_suite_ran(request):
        pytest.skip('only part of the parity suite ran')
    text = PAGE.read_text(encoding='utf-8')
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    if os.environ.get('CITE_WRITE_PARITY_TABLE'):
        before = re.sub(r'\d+ cases', f'{sum(map(len, WORST.values()))} cases', before)
        PAGE.write_text(f'{before}{BEGIN}{table()}{END}{after}', encoding='utf-8')
        return
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in shown.splitlines()[2:]]
    documented = {what: (int(cases), worst, allowed) for what, cases, worst, allowed in rows}
    assert {group: len(cases) for group, cases in WORST.items()} == {
        what: cases for what, (cases, _, _) in documented.items()
    }
    for group, cases in WORST.items():
        _, worst, allowed = documented[group]
        found = max(cases.values())
        bound = 0.0 if worst == 'none' else OTHER_CPU * float(worst)
        assert found <= bound or found < 1e-12, f'{group}: {found:.2g} now, {worst} in the docs'
        assert (0.0 if allowed == 'none' else float(allowed)) == LIMIT[group], group
    total = sum(cases for cases, _, _ in documented.values())
    stated = re.search(r'(\d+) cases', before)
    assert stated is not None and int(stated[1]) == total
    assert f'{total} cases' in (REPO / 'README.md').read_text(encoding='utf-8')
