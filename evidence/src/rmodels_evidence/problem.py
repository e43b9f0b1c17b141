"""What a benchmark consists of: a problem, its contenders, how they are checked, the goals."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "CELER",
    "FAISS",
    "FAST_HDBSCAN",
    "INTELEX",
    "PEER_MODULES",
    "PLAIN_HDBSCAN",
    "SKGLM",
    "Agreement",
    "Answers",
    "Check",
    "Contender",
    "Goal",
    "Options",
    "Problem",
    "Series",
    "Work",
    "agree_with",
    "feature_counts",
    "powers",
    "thread_counts",
]

# Peers that are not installed with rmodels: their distribution, and the module to import.
INTELEX = "scikit-learn-intelex"
FAISS = "faiss-cpu"
CELER = "celer"
SKGLM = "skglm"
PLAIN_HDBSCAN = "hdbscan"
FAST_HDBSCAN = "fast-hdbscan"
PEER_MODULES = {
    INTELEX: "sklearnex",
    FAISS: "faiss",
    CELER: "celer",
    SKGLM: "skglm",
    PLAIN_HDBSCAN: "hdbscan",
    FAST_HDBSCAN: "fast_hdbscan",
}


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes
    ----------
    threads : int
        For every contender.
    engine : str
        Of our own contenders, as in `rmodels.set_config`.
    peers : bool
        Whether the peers of `PEER_MODULES` take part; scikit-learn and NumPy always do.
    quick : bool
        A quarter of the rows and queries, few samples, no memory.
    rehearsal : bool
        Of the suite "gpu": tiny data, which show that it runs.
    """

    threads: int
    engine: str = "auto"
    peers: bool = False
    quick: bool = False
    rehearsal: bool = False

    def rows(self, full: int) -> int:
        """Return how many rows a problem of that full size has in this run."""
        return full // 4 if self.quick else full


@dataclass(frozen=True)
class Agreement:
    """How far an answer is from the right one.

    Attributes
    ----------
    error : float
        Infinite or NaN if the answer cannot be compared.
    tolerance : float
    measure : str
        What the error is.
    """

    error: float
    tolerance: float
    measure: str

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance."""
        return bool(self.error <= self.tolerance)


@dataclass(frozen=True, eq=False)
class Contender:
    """One way to solve a problem.

    Attributes
    ----------
    name : str
    prepare : callable
        Takes the problem's data and returns the call that is timed; that returns the answer.
    ours : bool
    peer : str
        The distribution that it needs beyond what rmodels needs; one of `PEER_MODULES`, or "".
    precision : {"float64", "float32"}
        What it computes in.
    portion : float
        The share of the problem that a call does; times are divided by it.
    note : str
        What a reader must know to judge the time.
    check : callable or None
        Used in place of the problem's check.
    mark : bool
        Whether it stands beside a ladder and is no rung of it.
    unavailable : str
        Why it is not measured on this machine; "" if it is.
    """

    name: str
    prepare: Callable[[Any], Callable[[], Any]]
    ours: bool = False
    peer: str = ""
    precision: str = "float64"
    portion: float = 1.0
    note: str = ""
    check: "Check | None" = None
    mark: bool = False
    unavailable: str = ""


@dataclass(frozen=True)
class Goal:
    """A ratio of medians to reach.

    Attributes
    ----------
    against : tuple of str
        Names of contenders; the fastest of them counts.
    ratio : float
        Their time over ours, at least; or ours over theirs, at most.
    at_most : bool
    ours : str
        Name of our contender.
    """

    against: tuple[str, ...]
    ratio: float
    at_most: bool = False
    ours: str = "rmodels"


@dataclass(frozen=True)
class Work:
    """What the problem takes at least.

    Attributes
    ----------
    read : float
        Bytes read from memory.
    operations : float
        Arithmetic operations; a multiply-add counts as two.
    dtype : {"float32", "float64"}
        What exactness allows the operations to be done in.
    """

    read: float
    operations: float
    dtype: str


Answers = Mapping[Contender, Any]
Check = Callable[[Any, Answers], Mapping[Contender, Agreement]]


def agree_with(name: str, tolerance: float, measure: str) -> Check:
    """Return a check of the largest difference from the answer of a contender.

    Parameters
    ----------
    name : str
        Of that contender.
    tolerance : float
    measure : str
        What the difference is of.
    """

    def check(data: Any, answers: Answers) -> dict[Contender, Agreement]:
        truth = next(each for contender, each in answers.items() if contender.name == name)
        return {
            contender: Agreement(float(abs(answer - truth).max()), tolerance, measure)
            for contender, answer in answers.items()
        }

    return check


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, contenders, how their answers are checked, and goals.

    Attributes
    ----------
    name : str
        Unique.
    title : str
    suite : str
        One of `rmodels_evidence.families.suites()`.
    data : callable
        Returns the data: always the same.
    contenders : tuple of Contender
        Those that may take part.
    check : callable
        Takes the data and a mapping from contenders to answers, and returns their agreements.
    goals : tuple of Goal
    work : Work or None
        None if the least amount of work is not known.
    seconds : float
        About how long it takes in full with all peers on two cores: for the time left.
    """

    name: str
    title: str
    suite: str
    data: Callable[[], Any]
    contenders: tuple[Contender, ...]
    check: Check
    goals: tuple[Goal, ...] = ()
    work: Work | None = None
    seconds: float = 10.0


@dataclass(frozen=True, eq=False)
class Series:
    """A problem of growing size.

    Attributes
    ----------
    name, title : str
    axis : str
        What grows.
    sizes : tuple of int
        Ascending.
    problem : callable
        Takes a size and returns the problem.
    growth : float
        Time grows about as the size to this power: to leave out in time what would last too long.
    seconds : float
        As of a problem, for all sizes.
    """

    name: str
    title: str
    axis: str
    sizes: tuple[int, ...]
    problem: Callable[[int], Problem]
    growth: float
    seconds: float = 10.0


def powers(first: int, last: int) -> tuple[int, ...]:
    """Return the powers of ten from one to another."""
    return tuple(10**e for e in range(round(math.log10(first)), round(math.log10(last)) + 1))


def feature_counts(quick: bool) -> tuple[int, ...]:
    """Return the numbers of features that a series goes through."""
    return (2, 8, 32, 128) if quick else (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


def thread_counts(most: int) -> tuple[int, ...]:
    """Return the numbers of threads that a series goes through: all, or doublings if many."""
    if most <= 8:
        return tuple(range(1, most + 1))
    return (*(2**e for e in range(most.bit_length()) if 2**e < most), most)
