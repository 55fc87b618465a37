"""What a result must beat to mean anything: baselines that see no tower and no text.

A baseline is a module of this folder that `TITLES` names. It has `probabilities`, as
`run.Method` describes it. To add one, write its file and give it a title here.
"""

from __future__ import annotations

TITLES = {
    'colour': 'colour histogram + logistic regression',
    'majority': 'majority class',
}
"""Kind → what tables call it, in the order of their columns."""
