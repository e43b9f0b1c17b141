"""Minima by the compiled extension."""

from typing import Any

import numpy as np

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.coordinate import Matrix, Minima

_ALONE = 100  # penalties · columns that take one thread less time than starting another
_FIRST = 1e6  # penalties · columns² in the first native call
_SECONDS = 0.1


def minimise(
    Q: Matrix,
    q: Matrix,
    sizes: Matrix,
    l1: Matrix,
    l2: Matrix,
    start: Matrix | None,
    positive: bool,
    n_threads: int | None,
) -> Minima:
    """Follow all paths together, some penalties at a time."""
    problems, d, targets = q.shape
    penalties = l1.shape[1]
    coefficients = np.zeros((penalties, problems, d, targets))
    steps = np.zeros((penalties, problems), dtype=np.int64)
    violations = np.zeros((penalties, problems))
    if coefficients.size:
        extension: Any = native.load()
        Q, q, sizes = (np.ascontiguousarray(each) for each in (Q, q, sizes))
        begin = None if start is None else np.ascontiguousarray(start)
        paths = extension.Paths(Q, q, sizes, positive, begin)
        threads = 1 if problems * penalties * d * targets < _ALONE else n_threads or thread_count()
        l1, l2 = np.ascontiguousarray(l1.T), np.ascontiguousarray(l2.T)
        first = max(1, int(_FIRST / (problems * d**2 * targets)))
        for part in chunks(penalties, first, "path", seconds=_SECONDS):
            paths.minimise(
                l1[part], l2[part], coefficients[part], steps[part], violations[part], threads
            )
    return Minima(coefficients.transpose(1, 0, 2, 3), steps.T, violations.T, "native")
