"""A bar with the time left, where somebody looks at it."""

import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(total: float) -> Iterator[Callable[[str, float], None]]:
    """Show a bar on stderr, if that is a terminal and rich is installed.

    Parameters
    ----------
    total : float
        Work in all.

    Yields
    ------
    callable
        Takes what is being done, and how much work is done so far.
    """
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        yield lambda task, completed: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    console = Console(stderr=True)
    # The time left is by the mean speed so far: of two tasks, one may take much longer than said.
    with Progress(
        *columns, console=console, transient=True, speed_estimate_period=math.inf
    ) as progress:
        bar = progress.add_task("", total=total)
        yield lambda task, completed: progress.update(bar, description=task, completed=completed)
