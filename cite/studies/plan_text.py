"""A plan as a person reads it."""

from __future__ import annotations

from pathlib import Path

from cite.studies.description import Study
from cite.studies.plan import Plan
from cite.studies.status_table import duration


def plan_text(study: Study, plan: Plan, folder: Path) -> str:
    """What is compared on what, and what it will take."""
    shots = ', '.join(study.shots)
    data = study.data
    lines = [
        f'study {study.name}: {len(study.methods)} methods × k = {shots} × '
        f'{_counted(len(study.split_seeds), "draw")} × {_counted(len(study.seeds), "training")} → {folder}',
    ]
    for name, title in (('pool', 'training pool'), ('evaluation', 'evaluation set')):
        if name in data:
            counts = ', '.join(f'{n} {of}' for of, n in data[name]['slides_per_class'].items())
            lines.append(f'{title}: {data[name]["patches"]:,} patches, slides: {counts}')
    lines += [f'  {line}' for line in data.get('leakage', ())]
    width = max(len(part.name) for part in plan.methods)
    lines += ['', f'{"method":{width}}  runs  done  settings  trainings to do       time']
    for part in plan.methods:
        time = '?' if part.seconds is None else duration(part.seconds)
        lines.append(
            f'{part.name:{width}}  {part.runs:4}  {part.done:4}  {part.settings:8}  {part.trainings:15}  '
            f'{time:>9}'
        )
    lines += ['', _sum(plan)]
    lines += [f'{part.name} will fail: {part.note}' for part in plan.methods if part.note]
    return '\n'.join(lines)


def _counted(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'


def _sum(plan: Plan) -> str:
    trainings = sum(part.trainings for part in plan.methods)
    text = f'{len(plan.pending)} runs to do, {trainings:,} trainings with those for choosing'
    if plan.seconds is not None and plan.disk_mb is not None:
        text += f': at most {duration(plan.seconds)} on one worker, {plan.disk_mb:,.0f} MB of disk'
    return text
