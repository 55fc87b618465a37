"""Who works on a run: a lock in its folder, so that two never do, and a dead one's hold ends by itself.

The lock is the kernel's (`flock`, through filelock): it goes with the process that holds it, however that
ends, and nothing has to be cleaned up. What to know about folders that several machines share:

- NFS: Linux turns `flock` into a lock of the server, seen by all clients, unless the mount says `nolock` or
  `local_lock=flock`; then it holds on one machine only, and two machines could do one run. When a client
  dies without a word, the server keeps its locks until the lease ends (NFSv4: about 90 s) or, under NFSv3,
  until that machine is back.
- Lustre needs the mount option `flock`; with `localflock` a lock holds on one machine only.
- Where a file system has no `flock` at all, filelock warns and falls back to a file that says who holds
  the run. That one may outlast a process that was killed; delete `.lock` then.

A process that forks hands its open lock on; recent versions of filelock close it in the child, so that
loaders of images, which may outlive a killed worker by seconds, do not keep its claim.

A lock decides who works, never what comes out: a run done twice gives the same result twice.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cite.errors import DataError

LOCK = '.lock'
# Long enough to sit out a look by `is_claimed`, which takes microseconds; a claim lasts for a whole run.
PATIENCE = 0.5


@contextmanager
def claim(folder: str | Path) -> Iterator[bool]:
    """Takes a run for the length of a block.

    Args:
        folder: Of the run; made where it is missing.

    Yields:
        Whether it is ours; False where another process, or another block of this one, holds it (after
        half a second).

    Raises:
        DataError: The folder cannot be written, or its file system refuses locks.
    """
    folder = Path(folder)
    path = folder / LOCK
    lock = FileLock(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE, poll_interval=0.05)
    except Timeout:
        pass
    except (OSError, NotImplementedError) as error:
        raise DataError(
            f'{path}: cannot be locked ({error}); the folder of a study must be writable, on a file system '
            'with flock (NFS: not `nolock`; Lustre: mounted with `flock`)'
        ) from error
    try:
        yield lock.is_locked
    finally:
        lock.release()


def is_claimed(folder: str | Path) -> bool:
    """Whether a live process holds a run; makes no file, and lookers do not see each other."""
    try:
        import fcntl
    except ImportError:  # Windows, where an open lock file cannot be deleted and so says nothing
        return False
    try:
        with (Path(folder) / LOCK).open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as error:
        # ENOSYS: the file itself is the lock, see above
        return error.errno in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOSYS)
    return False
