"""Zero-shot classification of many data sets at once, with averages per modality."""

from __future__ import annotations

from cite.zeroshot.suite.result import SetResult, SuiteResult
from cite.zeroshot.suite.rows import rows
from cite.zeroshot.suite.run import run_suite
from cite.zeroshot.suite.suite_file import load_suite

__all__ = ['SetResult', 'SuiteResult', 'load_suite', 'rows', 'run_suite']
