"""What the results do not show."""

from __future__ import annotations

from cite.studies.report.facts import Facts, shots_text

MANY_METHODS = 10
ALPHA = 0.05


def best_not_apart(facts: Facts) -> list[str]:
    """Methods that the paired test does not tell from the best."""
    summary, material = facts.summary, facts.material
    here = [one for one in summary.to_best if not material.baseline(one.method)]
    same = [one.method for one in here if one.p_holm >= ALPHA]
    if not same:
        return []
    return [
        f'At {shots_text(material.most)} {summary.best} has the highest balanced accuracy, but the paired '
        f'test (Holm, {ALPHA}) does not tell it from {", ".join(same)}. This study does not show which of '
        'them is best.'
    ]


def colour_as_good(facts: Facts) -> list[str]:
    """A baseline without a model whose interval reaches a method's mean."""
    summary, material = facts.summary, facts.material
    sentences = []
    models = [name for name in material.methods if not material.baseline(name)]
    for baseline in (name for name in material.methods if material.baseline(name)):
        found = []
        for shots in material.shots:
            cell = summary.of(baseline, shots)
            others = {name: summary.of(name, shots) for name in models}
            if cell is None:
                continue
            reach = cell.mean if cell.high is None else cell.high
            reached = [
                name for name, one in others.items() if one is not None and one.mean <= reach
            ]
            if reached:
                found.append(f'at {shots_text(shots)} ({reach:.3f}) {", ".join(reached)}')
        if found:
            sentences.append(
                f'The baseline {baseline} reaches with the upper end of its 95 % interval '
                f'the mean of: {"; ".join(found)}. There, colour or the frequency of classes may be all '
                'that a method has learnt.'
            )
    return sentences


def no_baseline(facts: Facts) -> list[str]:
    """Nothing without a model to compare with."""
    if any(facts.material.baseline(name) for name in facts.material.methods):
        return []
    return [
        'No baseline without a model was run. A colour histogram takes seconds and shows how much of the '
        'task is stain.'
    ]


def stain(facts: Facts) -> list[str]:
    """Groups of stain whose intervals lie apart."""
    groups = [group for group in facts.stains.groups if not group.missing]
    if len(groups) < 2:
        return []
    best = max(groups, key=lambda group: group.interval.estimate)
    worst = min(groups, key=lambda group: group.interval.estimate)
    if best.interval.low <= worst.interval.high:
        return []
    return [
        f'Results fall apart by stain: {facts.stains.method} reaches {best.interval.estimate:.3f} on group '
        f'{best.name} ({best.colour}) and {worst.interval.estimate:.3f} on group {worst.name} '
        f'({worst.colour}), and their intervals do not meet.'
    ]


def winners_curse(facts: Facts) -> list[str]:
    """Many methods on one evaluation set."""
    models = [name for name in facts.material.methods if not facts.material.baseline(name)]
    if len(models) <= MANY_METHODS:
        return []
    return [
        f'{len(models)} methods were compared on one evaluation set: the best of so many looks better than '
        "it is (winner's curse). Confirm it on slides that no method has been compared on."
    ]
