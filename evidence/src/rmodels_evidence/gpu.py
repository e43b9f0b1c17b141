"""The suite "gpu": the operations on a GPU, beside the processor, peers and the device's limits.

Inputs are random and take turns, and the second-level cache is overwritten before each run. Times
are medians, by the device's events, after warming up. An answer is checked before its time is
shown. A rehearsal does the same with tiny data, in Triton's interpreter if that stands in for the
GPU: it shows that everything runs, and its times say nothing.
"""

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rmodels.ops import device

__all__ = [
    "READ_SHARE",
    "TURNS",
    "GPUGoal",
    "GPUProblem",
    "GPUSuite",
    "Limits",
    "Line",
    "goal_of_read",
    "measure_limits",
    "on_device",
    "on_host",
    "run_suite",
    "to_numpy",
    "unavailable",
]

TURNS = 3  # inputs that take turns
READ_SHARE = 0.7  # of the memory's bandwidth, which one read of the rows is to reach
_FLUSH = 1 << 28  # bytes, more than any second-level cache holds


@dataclass(frozen=True)
class GPUGoal:
    """What a time is to be: the text says it, and `seconds` is the most that reaches it."""

    text: str
    seconds: float


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
    goal : GPUGoal or None
    """

    problem: str
    contender: str
    seconds: float
    share: float | None = None
    goal: GPUGoal | None = None

    @property
    def verdict(self) -> str:
        """What to say of the goal: "" if there is none."""
        if self.goal is None:
            return ""
        ratio = self.seconds / self.goal.seconds
        return f"{self.goal.text}: {ratio:.2f} of that time, {'met' if ratio <= 1 else 'missed'}"


@dataclass(frozen=True)
class Limits:
    """What the device can do, as measured: bytes copied and operations per second."""

    bandwidth: float
    half: float
    double: float


@dataclass(frozen=True)
class GPUProblem:
    """Something to measure.

    Attributes
    ----------
    name : str
        For `--problem`.
    measure : callable
        Takes the device's limits, checks the answer, and yields lines. Raises an AssertionError if
        the answer is wrong.
    has_goal : bool
        Whether it is measured before those without.
    """

    name: str
    measure: Callable[[Limits], Iterable[Line]]
    has_goal: bool = False


@dataclass(frozen=True)
class GPUSuite:
    """What was measured on which device.

    Attributes
    ----------
    device : str
    details : dict of str to str
        Of the device, and the versions of what ran on it.
    limits : Limits
    lines : tuple of Line
    failures : dict of str to str
        By the name of a problem, why it has no more lines: what was wrong, or raised.
    rehearsal : bool
        Whether data were tiny, so that times say nothing.
    """

    device: str
    details: dict[str, str]
    limits: Limits
    lines: tuple[Line, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    rehearsal: bool = False


def on_device(runs: Sequence[Callable[[], Any]], repeats: int) -> float:
    """Return the median seconds of calls that take turns, by the device's events."""
    if device.is_interpreted():  # a rehearsal: there are none
        return on_host(runs[0], 1)
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


def measure_limits(rehearsal: bool = False) -> Limits:
    """Measure a copy of 4 GiB and products of large matrices."""
    import torch

    where = device.device()
    size, sides = (1 << 16, (64, 64)) if rehearsal else (1 << 29, (8192, 4096))
    source = [torch.randn(size, device=where) for _ in range(2)]
    target = torch.empty_like(source[0])
    copy = on_device([partial(target.copy_, s) for s in source], 10)
    bandwidth = 2 * source[0].nbytes / copy
    rates = []
    for dtype, side in zip((torch.float16, torch.float64), sides, strict=True):
        pairs = [torch.randn(2, side, side, device=where).to(dtype) for _ in range(TURNS)]
        rates.append(2.0 * side**3 / on_device([partial(torch.matmul, *p) for p in pairs], 10))
    return Limits(bandwidth, *rates)


def to_numpy(tensor: Any) -> Any:
    """Return a tensor as an array in main memory."""
    return tensor.cpu().numpy()


def goal_of_read(size: int, limits: Limits) -> GPUGoal:
    """Return the goal of what reads so many bytes once."""
    text = f"a read at {READ_SHARE:.0%} of the bandwidth"
    return GPUGoal(text, size / (READ_SHARE * limits.bandwidth))


def unavailable(rehearsal: bool = False) -> str | None:
    """Return why there is no GPU to measure, or None if there is one.

    Parameters
    ----------
    rehearsal : bool
        Whether Triton's interpreter will do.
    """
    if device.is_interpreted() and not rehearsal:
        return "Triton's interpreter (TRITON_INTERPRET=1) stands in for it, which is far too slow"
    return device.unavailable()


def run_suite(problems: Iterable[GPUProblem], rehearsal: bool = False) -> Iterator[GPUSuite]:
    """Measure problems, those with goals first, and yield what is known after each line.

    A problem whose answer is wrong, or that raises, is a failure; the others are measured.

    Parameters
    ----------
    problems : iterable of GPUProblem
    rehearsal : bool
        Whether they are tiny.

    Raises
    ------
    RuntimeError
        If there is no GPU; the message says why.
    """
    reason = unavailable(rehearsal)
    if reason:
        raise RuntimeError(f"the suite gpu cannot run: {reason}")
    import torch

    limits = measure_limits(rehearsal)
    name, details = _describe()
    lines: list[Line] = []
    failures: dict[str, str] = {}

    def found() -> GPUSuite:
        return GPUSuite(name, details, limits, tuple(lines), dict(failures), rehearsal)

    yield found()
    for problem in sorted(problems, key=lambda each: not each.has_goal):
        try:
            for line in problem.measure(limits):
                lines.append(line)
                yield found()
        except Exception as error:  # a failure is a finding
            failures[problem.name] = f"{type(error).__name__}: {error}"
            yield found()
        torch.cuda.empty_cache()


def _describe() -> tuple[str, dict[str, str]]:
    """Return the device's name, and what else is to be known of it and of what runs on it."""
    import torch
    import triton

    versions = {"PyTorch": torch.__version__, "Triton": triton.__version__}
    if device.is_interpreted():
        return "Triton's interpreter", versions
    found = torch.cuda.get_device_properties()
    return found.name, {
        "compute capability": f"{found.major}.{found.minor}",
        "multiprocessors": str(found.multi_processor_count),
        "memory": f"{found.total_memory / 2**30:.0f} GiB",
        "driver": _driver(),
        "CUDA": str(torch.version.cuda),
        **versions,
    }


def _driver() -> str:
    """Return the version of the driver, as its own tool says it."""
    if shutil.which("nvidia-smi") is None:
        return "unknown"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return found.stdout.partition("\n")[0].strip() or "unknown"
