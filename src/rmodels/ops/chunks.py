"""The loop over chunks of a call: it shows progress, and Ctrl-C is answered between two chunks."""

from collections.abc import Iterator

from rmodels.config import get_config

__all__ = ["chunks"]


def chunks(total: int, step: int, task: str) -> Iterator[slice]:
    """Yield slices that cover range(total), `step` at a time.

    Parameters
    ----------
    total : int
        Rows, queries or iterations of the whole call.
    step : int
        How many make 50 to 100 ms of work; from the shapes alone, so that results can be repeated.
    task : str
        What the progress bar says.

    Raises
    ------
    ImportError
        If the setting `progress` is on, there is more than one chunk and `rich` is not installed.
    """
    if total <= step:
        if total:
            yield slice(0, total)
        return
    starts: Iterator[int] = iter(range(0, total, step))
    if not get_config()["progress"]:
        for start in starts:
            yield slice(start, min(start + step, total))
        return
    try:
        from rich.progress import Progress
    except ImportError as error:
        raise ImportError(
            "progress=True needs the package rich: pip install 'rmodels[progress]'"
        ) from error
    with Progress(transient=True) as progress:
        bar = progress.add_task(task, total=total)
        for start in starts:
            rows = slice(start, min(start + step, total))
            yield rows
            progress.update(bar, completed=rows.stop)
