"""Work on a stream of items in threads, a bounded way ahead, results in order.

Pillow lets go of Python's lock while it decodes and resizes, so threads are enough: nothing is copied
between processes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from cite.errors import ConfigError

Item = TypeVar('Item')
Result = TypeVar('Result')

MOST_WORKERS = 16
"""More threads than this wait for Python's lock."""


def default_workers() -> int:
    """One thread per core that this process may use, its share where several run on one machine."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    beside = os.environ.get('LOCAL_WORLD_SIZE', '')  # torchrun sets it
    return max(1, min(cores // max(1, int(beside or 1)), MOST_WORKERS))


def settle_workers(workers: int | None) -> int:
    """None → the default.

    Raises:
        ConfigError: A number below 0.
    """
    if workers is None:
        return default_workers()
    if workers < 0:
        raise ConfigError(f'workers must be at least 0, found {workers}')
    return workers


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    ahead: Callable[[], int],
) -> Generator[Callable[[], Result], None, None]:
    """For each item, in order, a call that gives the function's result or raises its error.

    Args:
        items: Taken in the thread of the caller, when their turn comes. What taking one raises comes out
            behind the results of those before it.
        workers: Threads; 0: each call does its work itself, and nothing is taken ahead.
        ahead: How many items may be under way, asked again for each.
    """
    if not workers:
        for item in items:
            yield partial(function, item)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix='cite-read')
    source = iter(items)
    queue: deque[Future[Result]] = deque()
    more = True
    try:
        while True:
            while more and len(queue) < max(1, ahead()):
                try:
                    queue.append(pool.submit(function, next(source)))
                except StopIteration:
                    more = False
                except Exception as error:
                    more = False
                    failed: Future[Result] = Future()
                    failed.set_exception(error)
                    queue.append(failed)
            if not queue:
                return
            yield queue.popleft().result
    finally:
        # also where the caller stops early: what has not begun is dropped, a picture or so is finished
        pool.shutdown(wait=True, cancel_futures=True)
