"""What a referee would object to: all objections, in the order in which a report lists them.

To add one, write a function in `objections` and name it here.
"""

from __future__ import annotations

from collections.abc import Callable

from cite.studies.report.facts import Facts
from cite.studies.report.objections import evidence, results, settings

OBJECTIONS: tuple[Callable[[Facts], list[str]], ...] = (
    evidence.incomplete,
    evidence.few_units,
    evidence.few_runs,
    evidence.no_patients,
    evidence.classes_missing,
    results.best_not_apart,
    results.colour_as_good,
    results.no_baseline,
    results.stain,
    results.winners_curse,
    settings.preset,
    settings.no_temperature,
    settings.scaling_harms,
    settings.temperature_at_bound,
)


def objections(facts: Facts) -> list[str]:
    """All sentences, in order; none where nothing is to be objected to."""
    return [sentence for function in OBJECTIONS for sentence in function(facts)]
