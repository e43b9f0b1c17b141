"""What shows that the estimators are right and how fast, by family: a module or package each.

Each holds its `FAMILY` and is found because it lies here: a new one stands in no list.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rmodels_evidence.case import Case
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.gpu import GPUProblem
from rmodels_evidence.problem import Options, Problem, Series

__all__ = [
    "PEERLESS",
    "Family",
    "Headline",
    "cases",
    "comparisons",
    "families",
    "find_problem",
    "gpu_problems",
    "headlines",
    "problems",
    "series",
    "suites",
]

PEERLESS = ("ladder", "scaling", "map", "gpu")  # suites that are shown by themselves


@dataclass(frozen=True)
class Headline:
    """A figure at the top of the report: how many times faster than a peer.

    Attributes
    ----------
    problem, peer : str
        Names of the problem, and of the contender.
    text : str
        What follows the figure.
    """

    problem: str
    peer: str
    text: str


@dataclass(frozen=True)
class Family:
    """What a family of estimators is held against. A part that is not given is empty.

    Attributes
    ----------
    comparisons : callable
        Returns the lines of `rmodels demo`.
    cases : callable
        Takes whether to be quick, and returns what `rmodels validate` checks.
    suite : str
        Name of the suite of problems that are the family's own.
    problems : callable
        Takes the options of `rmodels bench` and returns its problems, those of a ladder included.
    series : callable
        Takes the options and returns the problems of growing size: the suite "scaling".
    gpu_problems : callable
        Takes the options and returns the problems of the suite "gpu".
    headlines : tuple of Headline
    """

    comparisons: Callable[[], Iterable[Comparison]] = tuple
    cases: Callable[[bool], Iterable[Case]] = lambda quick: ()
    suite: str = ""
    problems: Callable[[Options], Iterable[Problem]] = lambda options: ()
    series: Callable[[Options], Iterable[Series]] = lambda options: ()
    gpu_problems: Callable[[Options], Iterable[GPUProblem]] = lambda options: ()
    headlines: tuple[Headline, ...] = ()


def families() -> tuple[Family, ...]:
    """Return the families, in the order of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}").FAMILY for name in names)


def suites() -> tuple[str, ...]:
    """Return the names of the suites, in the order of the tables."""
    own = (family.suite for family in families() if family.suite)
    return ("headline", *own, "small", *PEERLESS)


def comparisons() -> Iterator[Comparison]:
    """Yield the lines of the demonstration."""
    for family in families():
        yield from family.comparisons()


def cases(quick: bool) -> Iterator[Case]:
    """Yield what is checked of every estimator."""
    for family in families():
        yield from family.cases(quick)


def problems(options: Options) -> list[Problem]:
    """Return the problems of all suites but "scaling" and "gpu", in the order of the tables."""
    return [problem for family in families() for problem in family.problems(options)]


def series(options: Options) -> list[Series]:
    """Return the problems of growing size, in the order of the tables."""
    return [each for family in families() for each in family.series(options)]


def gpu_problems(options: Options) -> list[GPUProblem]:
    """Return the problems of the suite "gpu"."""
    return [problem for family in families() for problem in family.gpu_problems(options)]


def headlines() -> list[Headline]:
    """Return the figures at the top of the report."""
    return [each for family in families() for each in family.headlines]


def find_problem(name: str, options: Options) -> Problem:
    """Return the problem of that name.

    Raises
    ------
    KeyError
        If there is none.
    """
    for problem in problems(options):
        if problem.name == name:
            return problem
    raise KeyError(name)
