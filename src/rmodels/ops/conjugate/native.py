"""Conjugate gradients by the compiled extension, up to four right-hand sides together."""

from typing import Any

import numpy as np

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.conjugate import Descents, Matrix

_TOGETHER = 4
CALL = 1e8  # entries that are multiplied in a native call: 50 to 100 ms
ALONE = 2e6  # entries that take one thread less time than starting another


class Equations:
    """The matrix, as the extension holds it."""

    def __init__(
        self, X: Any, mean: Matrix, root: Matrix | None, dual: bool, n_threads: int | None
    ) -> None:
        extension: Any = native.load()
        columns = np.ascontiguousarray(X.indices, np.int32)
        starts = np.ascontiguousarray(X.indptr, np.int64)
        values, mean = (np.ascontiguousarray(each, np.float64) for each in (X.data, mean))
        root = None if root is None else np.ascontiguousarray(root, np.float64)
        self._equations = extension.Equations(values, columns, starts, mean, root, dual)
        self._entries = X.nnz
        self._threads = 1 if X.nnz < ALONE else n_threads or thread_count()

    def descend(
        self, scale: Matrix, penalty: float, right: Matrix, enough: Matrix, most: int
    ) -> Descents:
        """Follow some sides together, some steps at a time."""
        inverse = 1 / np.ascontiguousarray(scale, np.float64)
        solutions = np.empty(right.shape)
        converged: list[bool] = []
        lengths: list[Matrix] = []
        kept: list[Matrix] = []
        for first in range(0, right.shape[1], _TOGETHER):
            part = slice(first, first + _TOGETHER)
            sides = np.ascontiguousarray(right[:, part].T)
            descent = self._equations.begin(inverse, penalty, sides, enough[part])
            step = max(1, int(CALL / max(1, 2 * self._entries * len(sides))))
            for steps in chunks(most, step, "conjugate gradients"):
                if descent.advance(steps.stop - steps.start, self._threads):
                    break
            found = np.empty(sides.shape)
            descent.finish(found)
            solutions[:, part] = found.T
            for side in range(len(sides)):
                converged.append(descent.converged(side))
                lengths.append(np.array(descent.lengths(side)))
                kept.append(np.array(descent.kept(side)))
        return Descents(solutions, np.array(converged), lengths, kept)
