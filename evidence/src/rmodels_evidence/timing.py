"""Times of several contenders, taken in turns so that all of them meet the same machine."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Times", "interleave", "quantile"]

_LEAST_SAMPLE = 1e-3  # seconds: shorter calls are repeated within a sample
_TURN = 0.05  # seconds after which a contender begins no other sample in its turn
_NO_WARM_UP = 0.2  # seconds: a call that takes longer gains nothing from another before it
_FIRST_COUNTS = 1.0  # seconds: beside so long a call, what a first one sets up is nothing
# Threads of BLAS and OpenMP wait for work in a loop after a call: OpenBLAS's count ticks of the
# processor's clock, for 25 to 110 ms.
_PAUSE = 0.03
_MOST_PAUSES = 8
_AT_REST = 0.2  # of a pause: less time of processors, all threads together


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, linear between the values.

    Parameters
    ----------
    values : sequence of float
        At least one.
    share : float
        From 0, the least value, to 1, the greatest.
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@dataclass(frozen=True)
class Times:
    """Seconds per call, a value for each sample.

    Attributes
    ----------
    seconds : tuple of float
    calls : int
        Calls in a sample.
    """

    seconds: tuple[float, ...]
    calls: int = 1

    @property
    def median(self) -> float:
        """The median of the samples."""
        return quantile(self.seconds, 0.5)

    @property
    def low(self) -> float:
        """The first quartile of the samples."""
        return quantile(self.seconds, 0.25)

    @property
    def high(self) -> float:
        """The third quartile of the samples."""
        return quantile(self.seconds, 0.75)

    def scale(self, factor: float) -> "Times":
        """Return the times of `factor` times the work."""
        return Times(tuple(factor * value for value in self.seconds), self.calls)


def interleave(
    runs: Mapping[str, Callable[[], Any]],
    seconds: float,
    *,
    least_rounds: int = 3,
    longest: float = math.inf,
    known: Mapping[str, float] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
    spent: Callable[[], float] = time.process_time,
    advance: Callable[[float], None] = lambda share: None,
) -> dict[str, Times]:
    """Time contenders in turns.

    Each is called once to warm up and to see how long it takes. Then they take turns: in a turn, a
    contender gives samples until 50 ms have passed; a sample is one call, or as many as
    make 1 ms. Before each turn there are pauses until the threads of the one before have come to
    rest. Garbage is collected in the pauses only.

    Parameters
    ----------
    runs : mapping of str to callable
    seconds : float
        Rounds go on until this time is used up.
    least_rounds : int
        Rounds that are done however long they take.
    longest : float
        Seconds: a contender whose samples took as long gives no more.
    known : mapping of str to float, optional
        Seconds that a call made just before took: if they were many, there is no warm-up, or that
        call is the first sample.
    clock, sleep : callable
        As in the module `time`.
    spent : callable
        Returns the time of processors that all threads have taken.
    advance : callable
        Told after each turn which share of the time has passed, from 0 to 1.

    Returns
    -------
    dict of str to Times
    """
    calls: dict[str, int] = {}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    begin = clock()
    for name, run in runs.items():
        alone = (known or {}).get(name, 0.0)
        if alone >= _FIRST_COUNTS:
            taken[name].append(alone)
        elif alone < _NO_WARM_UP:
            alone = _sample(run, 1, clock)
        calls[name] = max(1, math.ceil(_LEAST_SAMPLE / max(alone, 1e-9)))
    rounds = 0
    with _keep_garbage():
        while rounds < least_rounds or clock() - begin < seconds:
            turns = {name: run for name, run in runs.items() if sum(taken[name]) < longest}
            if not turns:
                break
            for place, (name, run) in enumerate(turns.items()):
                gc.collect()
                _rest(sleep, spent)
                taken_now: list[float] = []
                turn = clock()
                while not taken_now or clock() - turn < _TURN:
                    taken_now.append(_sample(run, calls[name], clock))
                taken[name] += taken_now
                done = (rounds + (place + 1) / len(turns)) / least_rounds
                advance(min(1.0, done, (clock() - begin) / max(seconds, 1e-9)))
            rounds += 1
    return {name: Times(tuple(values), calls[name]) for name, values in taken.items()}


def _rest(sleep: Callable[[float], None], spent: Callable[[], float]) -> None:
    """Wait until no thread of the process works, and not for ever."""
    for _ in range(_MOST_PAUSES):
        before = spent()
        sleep(_PAUSE)
        if spent() - before < _AT_REST * _PAUSE:
            return


@contextmanager
def _keep_garbage() -> Iterator[None]:
    """Collect garbage only where told to, and only what was made since."""
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()


def _sample(run: Callable[[], Any], calls: int, clock: Callable[[], float]) -> float:
    """Return the seconds per call."""
    start = clock()
    for _ in range(calls):
        run()
    return (clock() - start) / calls
