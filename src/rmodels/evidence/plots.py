"""Plots of scaling, on logarithmic axes: needs matplotlib."""

from pathlib import Path

from rmodels.evidence.limits import Limits
from rmodels.evidence.results import Curve, Run

__all__ = ["save_plots"]


def save_plots(run: Run, folder: Path) -> list[Path]:
    """Draw each curve of a run and save it as an SVG file.

    Parameters
    ----------
    run : Run
    folder : Path
        Made if it is not there.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(curve, run.limits, folder) for curve in run.curves]


def _save(curve: Curve, limits: Limits, folder: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in curve.contenders():
        points = [(size, outcome.time(name)) for size, outcome in curve.points]
        sizes = [size for size, seconds in points if seconds == seconds]
        times = [seconds for _, seconds in points if seconds == seconds]
        axes.plot(sizes, times, marker="o", linewidth=2 if name == "rmodels" else 1, label=name)
    least = [
        (size, limits.shortest(work.read, work.operations, work.dtype)[0])
        for size, outcome in curve.points
        if (work := outcome.problem.work) is not None
    ]
    if least and curve.axis != "threads":  # the limits are those of all threads
        axes.plot(*zip(*least, strict=True), "k:", label="the machine's limit")
    axes.set(xscale="log", yscale="log", xlabel=curve.axis, ylabel="seconds", title=curve.title)
    axes.grid(which="both", alpha=0.2)
    axes.legend()
    path = folder / f"{curve.name}.svg"
    figure.savefig(path)
    return path
