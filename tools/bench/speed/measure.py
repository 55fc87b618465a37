"""What benchmarks of speed share: the machine they ran on, timing that is fair to both sides, results."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from cite.atomic import write_json

PACKAGES = ('torch', 'torchvision', 'timm', 'transformers', 'mmengine', 'numpy', 'pillow')


def machine() -> dict[str, Any]:
    """Hardware and versions, for the record beside every figure."""
    found: dict[str, Any] = {
        'cpu': cpu_name(),
        'threads': torch.get_num_threads(),
        'python': platform.python_version(),
        'versions': {package: version(package) for package in PACKAGES},
    }
    if torch.cuda.is_available():
        found['gpu'] = torch.cuda.get_device_name()
        found['cuda'] = torch.version.cuda
    return found


def cpu_name() -> str:
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return named[0] if named else platform.processor() or platform.machine()


def synchronize() -> None:
    """Waits for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(function: Callable[[], object]) -> float:
    """Of one call."""
    synchronize()
    start = time.perf_counter()
    function()
    synchronize()
    return time.perf_counter() - start


def in_turn(
    functions: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds of each call, the functions taking turns: what disturbs the machine disturbs all of them."""
    for function in functions.values():
        for _ in range(warm_up):
            function()
    found: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            found[name].append(seconds(function))
    return found


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times as fast: of the medians."""
    return statistics.median(slow) / statistics.median(fast)


def matrix_rate(
    dtype: torch.dtype, device: str = 'cpu', shape: tuple[int, int, int] = (6304, 768, 3072)
) -> float:
    """Operations per second of one matrix product (rows × inner, inner × columns), a multiplication and
    an addition counting as two: the best of ten."""
    rows, inner, columns = shape
    left = torch.randn(rows, inner, device=device).to(dtype)
    right = torch.randn(columns, inner, device=device).to(dtype)
    times = in_turn({'': lambda: torch.nn.functional.linear(left, right)}, rounds=10, warm_up=3)['']
    return 2 * rows * inner * columns / min(times)


def report(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], out: Path, content: Any
) -> None:
    """Prints a Markdown table and writes everything as JSON, the machine included."""
    print(f'\n{title}\n')
    print('| ' + ' | '.join(head) + ' |')
    print('|:--' + '|--:' * (len(head) - 1) + '|')
    for row in rows:
        print('| ' + ' | '.join(row) + ' |')
    write_json(out, {'title': title, 'machine': machine(), 'results': content})
    print(f'\n{out}')
