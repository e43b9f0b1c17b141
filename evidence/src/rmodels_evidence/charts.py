"""Curves on logarithmic axes as SVG whose colours and fonts are the page's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rmodels_evidence.table import duration

__all__ = ["LogAxis", "brief", "curves"]

WIDTH, HEIGHT = 380, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 282, 12, 250
_LINE = 14  # height of a label
_MOST_TICKS = 6


def brief(seconds: float) -> str:
    """Return a round number of seconds in the unit that suits it: 10 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{round(seconds / size):,} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic scale.

    Attributes
    ----------
    low, high : float
        The ends, positive.
    """

    low: float
    high: float

    @classmethod
    def decades(cls, values: Sequence[float]) -> "LogAxis":
        """Return the axis of whole decades that holds the values."""
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(10.0**low, 10.0 ** max(high, low + 1))

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high end."""
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Return round values within the axis: decades, or finer if those are few."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        found: list[float] = []
        for factors in ((1,), (1, 3), (1, 2, 5)):
            every = [factor * 10.0**e for e in range(first, last + 1) for factor in factors]
            found = [v for v in every if 0.999 * self.low <= v <= 1.001 * self.high]
            if len(found) >= 3:
                break
        step = math.ceil(len(found) / _MOST_TICKS)
        return found[::step]


def curves(
    series: Mapping[str, Sequence[tuple[int, float]]],
    least: Sequence[tuple[int, float]],
    axis: str,
) -> dict[str, Any]:
    """Lay out times against sizes.

    Parameters
    ----------
    series : mapping of str to sequence of (int, float)
        For each contender its sizes and seconds; the first is ours.
    least : sequence of (int, float)
        Sizes, and the seconds that the machine needs at least.
    axis : str
        What the sizes count.

    Returns
    -------
    dict
        What the template draws: lines, ticks, labels that do not overlap, and a band for each
        size that says what the values are.
    """
    sizes = sorted({size for points in (*series.values(), least) for size, _ in points})
    seconds = [value for points in (*series.values(), least) for _, value in points]
    across = LogAxis(sizes[0], max(sizes[-1], sizes[0] + 1))
    up = LogAxis(min(seconds) / 1.3, max(seconds) * 1.3)

    def x(size: float) -> float:
        return round(_LEFT + across.place(size) * (_RIGHT - _LEFT), 1)

    def y(value: float) -> float:
        return round(_BOTTOM - up.place(value) * (_BOTTOM - _TOP), 1)

    def path(points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
        return [(x(size), y(value)) for size, value in points]

    lines = [
        {"name": name, "kind": f"c{place}", "points": path(points)}
        for place, (name, points) in enumerate(series.items())
    ]
    if least:
        lines.append({"name": "machine’s limit", "kind": "limit", "points": path(least)})
    _label(lines)
    marks = [v for v in across.ticks() if len(sizes) > 4] or sizes
    centres = [x(size) for size in sizes]
    edges = [_LEFT, *((a + b) / 2 for a, b in pairwise(centres)), _RIGHT]
    bands = []
    for place, size in enumerate(sizes):
        said = [f"{axis}: {size:,}"]
        for name, points in (*series.items(), ("limit", least)):
            said += [f"{name}  {duration(value)}" for at, value in points if at == size]
        bands.append(
            {
                "x": edges[place],
                "width": edges[place + 1] - edges[place],
                "centre": centres[place],
                "text": "\n".join(said),
            }
        )
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "frame": (_LEFT, _RIGHT, _TOP, _BOTTOM),
        "lines": lines,
        "across": [(x(v), _count(v)) for v in marks],
        "up": [(y(v), brief(v)) for v in up.ticks()],
        "bands": bands,
    }


def _count(value: float) -> str:
    """Return a size as a tick shows it: 1,000 or 10⁵."""
    if value < 10_000:
        return f"{value:,.0f}"
    power = math.log10(value)
    if not power.is_integer():
        return f"{value:,.0f}"
    return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(int(power)))


def _label(lines: list[dict[str, Any]]) -> None:
    """Set each line's label beside its end, moved down as far as the one above it demands."""
    present = sorted(
        (line for line in lines if line["points"]), key=lambda line: line["points"][-1][1]
    )
    lowest = float(_TOP)
    for line in present:
        line["label"] = max(line["points"][-1][1], lowest)
        lowest = line["label"] + _LINE
    limit = float(_BOTTOM)
    for line in reversed(present):  # and up again, if the last is below the frame
        line["label"] = min(line["label"], limit)
        limit = line["label"] - _LINE
