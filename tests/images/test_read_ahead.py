from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from cite.errors import ConfigError
from cite.images.read_ahead import default_workers, in_order, settle_workers


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith('cite-read')]


def slow_square(number: int) -> int:
    time.sleep(0.002 * (number % 3))  # later ones are done first
    if number == 7:
        raise ValueError('seven')
    return number**2


@pytest.mark.parametrize('workers', [0, 1, 4])
def test_results_and_errors_come_in_order(workers):
    found = []
    results = in_order(slow_square, range(20), workers, lambda: 5)
    with closing(results), pytest.raises(ValueError, match='seven'):
        for result in results:
            found.append(result())
    assert found == [n**2 for n in range(7)]
    assert threads() == []


@pytest.mark.parametrize('workers', [0, 3])
def test_an_error_can_be_passed_over(workers):
    found = []
    for result in in_order(slow_square, range(10), workers, lambda: 4):
        try:
            found.append(result())
        except ValueError:
            found.append(-1)
    assert found == [n**2 if n != 7 else -1 for n in range(10)]


def test_no_more_is_taken_than_allowed_and_the_limit_may_move():
    taken, limit = [], [3]

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with closing(in_order(abs, items(), 2, lambda: limit[0])) as results:
        assert next(results)() == 0
        assert len(taken) == 3
        limit[0] = 6
        assert next(results)() == 1
        assert len(taken) == 7  # 2 taken out, of 6 under way one is out
    assert len(taken) == 7
    assert threads() == []


@pytest.mark.parametrize('workers', [0, 2])
def test_an_error_of_the_source_comes_behind_what_was_before_it(workers):
    def items():
        yield from (1, 2, 3)
        raise OSError('the source broke')

    found = []
    with pytest.raises(OSError, match='the source broke'):
        for result in in_order(abs, items(), workers, lambda: 8):
            found.append(result())
    assert found == [1, 2, 3]


def test_an_interrupt_while_waiting_ends_the_threads():
    def consume():
        with closing(in_order(slow_square, range(6), 2, lambda: 4)) as results:
            next(results)()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert threads() == []


def test_workers(monkeypatch):
    assert settle_workers(None) == default_workers() >= 1
    assert settle_workers(0) == 0
    with pytest.raises(ConfigError, match='at least 0'):
        settle_workers(-1)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '1000000')
    assert default_workers() == 1
