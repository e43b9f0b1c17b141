"""Which problems there are."""

from rmodels_evidence.ladder import ladder_problems
from rmodels_evidence.linear import linear_problems
from rmodels_evidence.neighbors import neighbors_problems
from rmodels_evidence.parquet import parquet_problems
from rmodels_evidence.problem import Options, Problem

__all__ = ["find_problem", "problems"]


def problems(options: Options) -> list[Problem]:
    """Return the problems of all suites but "scaling", in the order of the tables."""
    return [
        *linear_problems(options),
        *parquet_problems(options),
        *neighbors_problems(options),
        *ladder_problems(options),
    ]


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
