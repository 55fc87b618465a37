"""How settings and temperatures were come by."""

from __future__ import annotations

from collections.abc import Callable

from cite.studies.report.facts import Facts, shots_text


def preset(facts: Facts) -> list[str]:
    """Settings that were not chosen by held-out slides."""
    taken = _shots_where(facts, lambda choice: choice.get('how') == 'preset')
    if not taken:
        return []
    return [
        f'At {taken} settings are presets, since nothing could be held out or only one was allowed: a '
        'method whose preset suits it has an advantage there.'
    ]


def no_temperature(facts: Facts) -> list[str]:
    """Runs without calibration."""
    material = facts.material
    without = [
        shots
        for shots in material.shots
        if not any(
            run.calibrated for method in material.methods for run in material.of(method, shots)
        )
    ]
    if not without:
        return []
    return [
        f'At {shots_text(*without)} no temperature was fitted, since no training slide was '
        'held out: calibration there is that of the raw model.'
    ]


def scaling_harms(facts: Facts) -> list[str]:
    """Temperature scaling that makes slides worse calibrated."""
    material, worse = facts.material, []
    for method in facts.at_most_shots():
        before, after = (
            facts.summary.of(method, material.most, name) for name in ('ece', 'ece_calibrated')
        )
        if before is not None and after is not None and after.mean > before.mean:
            worse.append(f'{method} ({before.mean:.3f} → {after.mean:.3f})')
    if not worse:
        return []
    return [
        f'At {shots_text(material.most)} temperature scaling makes the calibration error of slides larger '
        f'for {", ".join(worse)}. The temperature is fitted on patches, and a mean over patches is less '
        'certain than they are: use those probabilities as they were.'
    ]


def temperature_at_bound(facts: Facts) -> list[str]:
    """Temperatures that held-out slides did not determine."""
    from cite.evaluation.calibration import HIGHEST, LOWEST

    fitted = [
        r.record.temperature for r in facts.material.done if r.record and r.record.temperature
    ]
    bound = sum(not LOWEST * 1.01 < value < HIGHEST * 0.99 for value in fitted)
    if not bound:
        return []
    return [
        f'In {bound} of {len(fitted)} runs the temperature ran to the end of its range ({LOWEST} or '
        f'{HIGHEST:g}): too few held-out slides, or none predicted wrongly. Calibrated values of '
        'those runs mean little.'
    ]


def _shots_where(facts: Facts, holds: Callable[[dict[str, object]], bool]) -> str:
    """Shots at which any model's choice is so, as text; '' for none."""
    found = {
        run.key.shots
        for run in facts.material.done
        if run.record is not None
        and not facts.material.baseline(run.key.method)
        and holds(run.record.choice)
    }
    return shots_text(*(shots for shots in facts.material.shots if shots in found))
