"""The suite "gpu": the operations on a GPU, beside the processor, peers and the device's limits.

Inputs are random and take turns, and the second-level cache is overwritten before each run. Times
are medians, by the device's events, after warming up. An answer is checked before its time is
shown.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rmodels.ops import device

__all__ = [
    "TURNS",
    "GPUSuite",
    "Limits",
    "Line",
    "compare_with_goal",
    "measure_limits",
    "on_device",
    "on_host",
    "run_suite",
    "to_numpy",
    "unavailable",
]

TURNS = 3  # inputs that take turns
_FLUSH = 1 << 28  # bytes, more than any second-level cache holds


@dataclass(frozen=True)
class Line:
    """A measured time.

    Attributes
    ----------
    problem, contender : str
    seconds : float
        The median.
    share : float or None
        Of the device's measured limit that is reached; None if there is no limit to compare with.
    goal : str
        "" if there is none, else what was to be reached and whether it was.
    """

    problem: str
    contender: str
    seconds: float
    share: float | None = None
    goal: str = ""


@dataclass(frozen=True)
class Limits:
    """What the device can do, as measured: bytes copied and operations per second."""

    bandwidth: float
    half: float
    double: float


@dataclass(frozen=True)
class GPUSuite:
    """What was measured on which device.

    Attributes
    ----------
    device : str
    limits : Limits
    lines : list of Line
    """

    device: str
    limits: Limits
    lines: list[Line]


def on_device(runs: Sequence[Callable[[], Any]], repeats: int) -> float:
    """Return the median seconds of calls that take turns, by events."""
    import torch

    for run in runs:
        run()
    torch.cuda.synchronize()
    cache = torch.empty(_FLUSH, dtype=torch.int8, device="cuda")
    times = []
    for turn in range(repeats):
        cache.zero_()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        runs[turn % len(runs)]()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)


def on_host(run: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call that waits for its answer."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure_limits() -> Limits:
    """Measure a copy of 4 GiB and products of large matrices."""
    import torch

    source = [torch.randn(1 << 29, device="cuda") for _ in range(2)]
    target = torch.empty_like(source[0])
    copy = on_device([partial(target.copy_, s) for s in source], 10)
    bandwidth = 2 * source[0].nbytes / copy
    rates = []
    for dtype, side in ((torch.float16, 8192), (torch.float64, 4096)):
        pairs = [torch.randn(2, side, side, device="cuda").to(dtype) for _ in range(TURNS)]
        rates.append(2.0 * side**3 / on_device([partial(torch.matmul, *p) for p in pairs], 10))
    return Limits(bandwidth, *rates)


def to_numpy(tensor: Any) -> Any:
    """Return a tensor as an array in main memory."""
    return tensor.cpu().numpy()


def compare_with_goal(seconds: float, most: float) -> str:
    """Return what a line says of a goal."""
    return f"at most {1e3 * most:g} ms: {'met' if seconds <= most else 'missed'}"


def unavailable() -> str | None:
    """Return why there is no GPU to measure, or None if there is one."""
    if device.is_interpreted():
        return "Triton's interpreter (TRITON_INTERPRET=1) stands in for it, which is far too slow"
    return device.unavailable()


def run_suite(
    measures: Iterable[Callable[[Limits, bool], Iterable[Line]]], quick: bool = False
) -> GPUSuite:
    """Measure everything.

    Parameters
    ----------
    measures : iterable of callable
        Each takes the device's limits and `quick`, and returns lines.
    quick : bool
        The smaller shapes only.

    Raises
    ------
    RuntimeError
        If there is no GPU; the message says why.
    AssertionError
        If an answer is wrong.
    """
    reason = unavailable()
    if reason:
        raise RuntimeError(f"the suite gpu cannot run: {reason}")
    import torch

    limits = measure_limits()
    lines = [line for measure in measures for line in measure(limits, quick)]
    return GPUSuite(torch.cuda.get_device_name(), limits, lines)
