"""The loop over chunks of a call: it shows progress, and Ctrl-C is answered between two chunks."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from rmodels.config import get_config
from rmodels.progress import progress_bars

__all__ = ["chunks", "observe"]

Observer = Callable[[str], AbstractContextManager[None]]

_observer: ContextVar[Observer] = ContextVar("_observer", default=lambda task: nullcontext())

_MOST_GROWTH = 16  # of a chunk over the one before


def chunks(total: int, step: int, task: str, *, seconds: float | None = None) -> Iterator[slice]:
    """Yield slices that cover range(total), `step` at a time.

    Parameters
    ----------
    total : int
        Rows, queries or iterations of the whole call.
    step : int
        How many make 50 to 100 ms of work; from the shapes alone, so that results can be repeated.
    task : str
        What the progress bar says.
    seconds : float, optional
        What a chunk should last, for work that shapes do not tell: only the first has `step`, each
        later one is as long as the time of the one before suggests. For results that do not
        depend on how they are split.

    Raises
    ------
    ImportError
        If the setting `progress` is on, there is more than one chunk and `rich` is not installed.
    """
    around = _observer.get()
    if total <= step:
        if total:
            with around(task):
                yield slice(0, total)
        return
    if not get_config()["progress"]:
        for rows in _slices(total, step, seconds):
            with around(task):
                yield rows
        return
    with progress_bars() as progress:
        bar = progress.add_task(task, total=total)
        for rows in _slices(total, step, seconds):
            with around(task):
                yield rows
            progress.update(bar, completed=rows.stop)


@contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Have the chunks of all calls in a `with` block worked on inside a context.

    Parameters
    ----------
    observer : callable
        Gets what the progress bar says, returns the context manager around the work on a chunk.
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def _slices(total: int, step: int, seconds: float | None) -> Iterator[slice]:
    start = 0
    while start < total:
        began = time.perf_counter()
        yield slice(start, min(start + step, total))
        start += step
        if seconds is not None:
            growth = seconds / max(time.perf_counter() - began, 1e-9)
            step = max(1, int(step * min(growth, _MOST_GROWTH)))
