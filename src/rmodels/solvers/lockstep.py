"""Searches that ask for sums over rows: alone, or side by side, all answered by the same reads.

A search is a generator: it yields what is to be computed of the rows, gets the sum of it over all
rows, and returns what it finds.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from rmodels.data import Rows, Source
from rmodels.solvers.losses import Evaluation, evaluate_together

__all__ = ["Asking", "run", "run_together"]

T = TypeVar("T")
Asking = Generator[Callable[[Rows], Any], Any, T]


@np.errstate(over="ignore", invalid="ignore")  # of steps that are too long, which are shortened
def run(search: "Asking[T]", source: Source) -> T:
    """Return what a search finds among the rows of a source."""
    answer = None
    while True:
        try:
            asked = search.send(answer)
        except StopIteration as end:
            found: T = end.value
            return found
        answer = source.fold(asked)


@np.errstate(over="ignore", invalid="ignore")
def run_together(searches: "Sequence[Asking[T]]", source: Source) -> tuple[list[T], int]:
    """Return what searches find, and how often all rows were read for them.

    A read answers what each of them asks for, so that there are as many as the longest takes.
    """
    found: list[Any] = [None] * len(searches)
    answers: dict[int, Any] = dict.fromkeys(range(len(searches)))
    reads = 0
    while True:
        asked = {}
        for number, answer in answers.items():
            try:
                asked[number] = searches[number].send(answer)
            except StopIteration as end:
                found[number] = end.value
        if not asked:
            return found, reads
        found_of_rows: list[Any] = source.fold(_Joint(list(asked.values())), _add_each)
        answers = dict(zip(asked, found_of_rows, strict=True))
        reads += 1


@dataclass(frozen=True, eq=False)
class _Joint:
    """What several searches ask of rows in memory; it travels to the rows of a cluster."""

    asked: list[Any]

    def __call__(self, rows: Rows) -> list[Any]:
        """Return what each of them gets."""
        evaluations = [each for each in self.asked if isinstance(each, Evaluation)]
        sums = iter(evaluate_together(evaluations, rows) if evaluations else [])
        return [next(sums) if isinstance(each, Evaluation) else each(rows) for each in self.asked]


def _add_each(first: list[Any], second: list[Any]) -> list[Any]:
    return [a + b for a, b in zip(first, second, strict=True)]
