"""The machine's limits: how fast memory is read, and how fast products are added."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmodels.config import thread_count
from rmodels.native import in_use
from rmodels_evidence import native

__all__ = ["Limits", "measure_limits", "read_all"]

_READ_VALUES = 1 << 25  # 256 MiB: more than any cache
_SIDE = 1024  # of the matrices that stand in for the native kernel


@dataclass(frozen=True)
class Limits:
    """The best speeds seen.

    Attributes
    ----------
    read_bandwidth : float
        Bytes per second that `threads` threads read from memory.
    float32_rate, float64_rate : float
        Operations per second; a multiply-add counts as two.
    threads : int
    source : str
        What measured them: "native" and the instruction set, or "NumPy".
    """

    read_bandwidth: float
    float32_rate: float
    float64_rate: float
    threads: int
    source: str

    def shortest(self, read: float, operations: float, dtype: str) -> tuple[float, str]:
        """Return the least seconds that work can take, and what sets them.

        Parameters
        ----------
        read : float
            Bytes that have to be read from memory.
        operations : float
            Operations that have to be done; a multiply-add counts as two.
        dtype : {"float32", "float64"}
            What the operations are done in.
        """
        rate = self.float32_rate if dtype == "float32" else self.float64_rate
        reading, computing = read / self.read_bandwidth, operations / rate
        return (reading, "memory") if reading > computing else (computing, dtype)


def read_all(values: NDArray[np.float64], threads: int) -> float:
    """Read an array once, by the native engine if it is there, and return the sum."""
    extension = native.load()
    if extension is None:
        return float(values.sum())
    total: float = extension.read_all(values.reshape(-1), threads)
    return total


def _best(run: Callable[[], object], seconds: float) -> float:
    """Return the shortest of the runs that fit into the seconds, at least three."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_limits(threads: int | None = None, seconds: float = 0.5) -> Limits:
    """Measure the machine's limits.

    Parameters
    ----------
    threads : int, optional
        The default is `rmodels.config.thread_count()`.
    seconds : float
        For each of the three speeds.

    Returns
    -------
    Limits
        By the native kernels of the instruction set in use. Without the compiled extension by
        NumPy: a sum on one thread, and matrix products, both below the machine's limit.
    """
    threads = thread_count() if threads is None else threads
    values = np.ones(_READ_VALUES)
    bandwidth = values.nbytes / _best(partial(read_all, values, threads), seconds)
    del values
    rates = {}
    extension = native.load()
    for dtype in ("float32", "float64"):
        if extension is None:
            matrix = np.ones((_SIDE, _SIDE), dtype=dtype)
            operations = 2.0 * _SIDE**3
            rates[dtype] = operations / _best(partial(np.matmul, matrix, matrix), seconds)
        else:
            rates[dtype] = _multiply_add_rate(extension, dtype, threads, seconds)
    source = "NumPy" if extension is None else f"native {in_use()}"
    return Limits(bandwidth, rates["float32"], rates["float64"], threads, source)


def _multiply_add_rate(extension: object, dtype: str, threads: int, seconds: float) -> float:
    """Return operations per second, from runs of a few milliseconds."""
    rounds = 2_000_000
    multiply_add = getattr(extension, f"multiply_add_{dtype}")
    per_round: int = getattr(extension, f"multiply_adds_per_round_{dtype}")
    best = _best(lambda: multiply_add(rounds, threads), seconds)
    return 2.0 * per_round * rounds * threads / best
