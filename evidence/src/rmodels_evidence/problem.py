"""What a benchmark consists of: a problem, its contenders, how they are checked, the goals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "FAISS",
    "INTELEX",
    "PEER_MODULES",
    "SUITES",
    "Agreement",
    "Answers",
    "Check",
    "Contender",
    "Goal",
    "Options",
    "Problem",
    "Work",
]

SUITES = ("headline", "linear", "neighbors", "small", "ladder", "scaling", "gpu")

# Peers that are not installed with rmodels: their distribution, and the module to import.
INTELEX = "scikit-learn-intelex"
FAISS = "faiss-cpu"
PEER_MODULES = {INTELEX: "sklearnex", FAISS: "faiss"}


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
    """

    threads: int
    engine: str = "auto"
    peers: bool = False
    quick: bool = False

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
        return self.error <= self.tolerance


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


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, contenders, how their answers are checked, and goals.

    Attributes
    ----------
    name : str
        Unique.
    title : str
    suite : str
        One of `SUITES`.
    data : callable
        Returns the data: always the same.
    contenders : tuple of Contender
        Those that may take part.
    check : callable
        Takes the data and a mapping from contenders to answers, and returns their agreements.
    goals : tuple of Goal
    work : Work or None
        None if the least amount of work is not known.
    """

    name: str
    title: str
    suite: str
    data: Callable[[], Any]
    contenders: tuple[Contender, ...]
    check: Check
    goals: tuple[Goal, ...] = field(default=())
    work: Work | None = None
