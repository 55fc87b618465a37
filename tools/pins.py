"""Print constraints.txt for an environment in use, so that pip replaces little of what is there.

A package that is installed in a version that setup.py accepts loses its pin: pip then leaves it
alone unless another package needs more. An accepted torch is held as it is, being gigabytes and
bound to the driver; torchvision must match it, so its pin goes unless torch is the tested one.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def installed_version(name: str) -> str | None:
    """Version of a distribution in this environment, None where it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def direct_requirements() -> dict[str, Requirement]:
    """What setup.py asks for, extras included, by canonical name."""
    setup = runpy.run_path(str(ROOT / 'setup.py'))
    groups = [setup['REQUIREMENTS'], *setup['EXTRAS'].values()]
    requirements = [Requirement(line) for group in groups for line in group]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def remaining_pins(
    constraints: str,
    direct: dict[str, Requirement],
    installed: Callable[[str], str | None] = installed_version,
) -> list[str]:
    """Lines of `constraints` that an environment with these `installed` versions still needs."""

    def keeps(name: str) -> bool:
        have = installed(name)
        return have is not None and (
            name not in direct or direct[name].specifier.contains(have, prereleases=True)
        )

    lines = []
    for line in constraints.splitlines():
        if not line.strip() or line.startswith('#'):
            continue
        pin = Requirement(line)
        name = canonicalize_name(pin.name)
        if keeps(name):
            if name == 'torch':
                lines.append(f'torch=={installed(name)}')
        elif name != 'torchvision' or not keeps('torch') or tested_torch(constraints, installed):
            lines.append(line)
    return lines


def tested_torch(constraints: str, installed: Callable[[str], str | None]) -> bool:
    """Whether the installed torch is the pinned one, be it a CPU or a CUDA build."""
    pins = [Requirement(line) for line in constraints.splitlines() if line.startswith('torch==')]
    return all(pin.specifier.contains(installed('torch') or '') for pin in pins)


if __name__ == '__main__':
    text = (ROOT / 'constraints.txt').read_text(encoding='utf-8')
    print('\n'.join(remaining_pins(text, direct_requirements())))
