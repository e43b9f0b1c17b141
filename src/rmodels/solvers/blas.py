"""How many threads BLAS and LAPACK take during a call: a setting of the whole process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["blas_threads", "count_free"]

_SMALL = 512  # side of a matrix up to which waking another thread costs more than it saves

PROC = Path("/proc")

_limiting = threading.Lock()  # held by the one block whose limit is in force
_before: list[tuple[Any, int]] = []  # what each library had before that block


def count_free() -> int:
    """Return how many processors no other program runs on now, where Linux tells; else all.

    It says how many threads of all programs run or wait to run, on all processors. Those of this
    process do not count: most are BLAS's own, which spin for a while after their work.
    """
    processors = os.cpu_count() or 1
    try:
        running = int((PROC / "loadavg").read_text().split()[3].partition("/")[0])
        if running <= 1:
            return processors
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0]
            for task in (PROC / "self" / "task").iterdir()
        ]
    except (OSError, ValueError, IndexError):
        return processors
    return processors - max(0, running - states.count("R"))


@cache
def _libraries() -> tuple[Any, ...]:
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


@cache
def _control() -> Any:
    """Return what threadpoolctl counts blocks by, from version 3.8 on.

    There, the thread that first sets the threads of OpenBLAS is the only one that may, until it
    ends or the last block that it counted does.
    """
    import threadpoolctl

    return getattr(threadpoolctl, "CONTROLLING_THREAD_OWNERSHIP", None)


@contextmanager
def _controlled() -> Iterator[None]:
    control = _control()
    if control is None:
        yield
        return
    control.increment()
    try:
        yield
    finally:
        control.decrement()


@contextmanager
def blas_threads(side: int, n_threads: int) -> Iterator[None]:
    """Let BLAS take one thread for small matrices, and at most `n_threads` for others.

    A second thread of BLAS has to be woken, and goes on spinning for a while after its work, on a
    core that the next operation needs. Where other programs keep the processors busy, its threads
    wait for each other, again and again: then those that could not run at once are left out.

    Parameters
    ----------
    side : int
        Of the largest square matrix that is decomposed in the `with` block.
    n_threads : int

    Notes
    -----
    The last bits of decompositions depend on how many threads of BLAS there are. The setting
    belongs to the process: while one thread's block is open, those of other threads change nothing.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    limiting = _limiting
    try:
        limit = 1 if side <= _SMALL else n_threads
        if limit > 1:
            limit = max(1, min(limit, count_free()))
        with _controlled():
            try:
                for library in _libraries():
                    threads = library.get_num_threads()
                    if threads > limit:
                        _before.append((library, threads))
                        library.set_num_threads(limit)
                yield
            finally:
                _restore()
    finally:
        limiting.release()


def _restore() -> None:
    while _before:
        library, threads = _before.pop()
        library.set_num_threads(threads)


def _renew() -> None:
    """End, in a forked child, the block of a thread that it does not have."""
    global _limiting
    if _limiting.locked():
        _limiting = threading.Lock()
        with _controlled():
            _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
