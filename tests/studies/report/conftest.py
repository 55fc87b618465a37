"""A drawn study and its report, written once for the tests that read it."""

from __future__ import annotations

import pytest
from drawn_study import draw_study

from cite.studies.report.write import write_report

QUALITY = {'cite': 0.9, '<script>alert(1)</script> $x$': 0.5, 'colour histogram': 0.1}


@pytest.fixture(scope='session')
def reported(tmp_path_factory):
    """(folder, `ReportFiles`) of a small study; tests only read it."""
    folder = tmp_path_factory.mktemp('reported') / 'small'
    folder.mkdir()
    draw_study(
        folder,
        QUALITY,
        shots=('1', '4'),
        split_seeds=3,
        slides_per_class=8,
        patches_per_slide=2,
        patients=True,
    )
    return folder, write_report(folder, progress=False)
