"""Progress bars of calls that last."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["progress_bars"]


@contextmanager
def progress_bars() -> Iterator[Any]:
    """Show bars on standard error, where what a program prints does not go; yield what adds them.

    Raises
    ------
    ImportError
        If `rich` is not installed.
    """
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError as error:
        raise ImportError(
            "progress=True needs the package rich: pip install 'rmodels[progress]'"
        ) from error
    # what is printed meanwhile stays what it is, and where it goes
    with Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bars:
        yield bars
