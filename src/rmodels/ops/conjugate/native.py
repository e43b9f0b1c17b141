"""Conjugate gradients by the compiled extension, up to four right-hand sides together."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.conjugate import FEW, MANY, Descents, Matrix

_TOGETHER = 4
CALL = 1e8  # entries that are multiplied in a native call: 50 to 100 ms


class Equations:
    """The matrix, as the extension holds it."""

    def __init__(
        self, X: Any, weights: Matrix | None, centred: bool, dual: bool, n_threads: int | None
    ) -> None:
        extension: Any = native.load()
        single = X.dtype == np.float32
        values = np.ascontiguousarray(X.data, np.float32 if single else np.float64)
        columns = X.indices
        if columns.dtype != np.int32:  # what does not fit in it stands in no column either
            columns = columns.clip(-1, 2**31 - 1).astype(np.int32)
        columns = np.ascontiguousarray(columns)
        starts = np.ascontiguousarray(X.indptr, np.int64)
        weights = None if weights is None else np.ascontiguousarray(weights, np.float64)
        n, d = X.shape
        self._equations = extension.Equations(values, columns, starts, d, weights, centred, dual)
        self._rows, self._entries = n, X.nnz
        self._threads = n_threads or thread_count()
        self.mean, self.squares, self.diagonal = (
            np.empty(d),
            np.empty(d),
            np.empty(n if dual else d),
        )
        self._equations.measure(self.mean, self.squares, self.diagonal)

    def along_rows(self, B: Matrix) -> Matrix:
        """Multiply a few columns of B at a time."""
        return self._multiply(self._equations.along_rows, B, self._rows)

    def along_columns(self, R: Matrix) -> Matrix:
        """Multiply a few columns of R at a time."""
        return self._multiply(self._equations.along_columns, R, len(self.mean))

    def _multiply(self, multiply: Callable[..., None], factor: Matrix, size: int) -> Matrix:
        threads = 1 if self._entries < MANY else self._threads
        product = np.empty((size, factor.shape[1]))
        for part, columns in _take(factor):
            found = np.empty((size, columns.shape[1]))
            multiply(columns, found, threads)
            product[:, part] = found
        return product

    def descend(
        self, scale: Matrix, penalty: float, right: Matrix, enough: Matrix, most: int
    ) -> Descents:
        """Follow some sides together, some steps at a time."""
        threads = 1 if self._entries < FEW else self._threads
        inverse = 1 / np.ascontiguousarray(scale, np.float64)
        solutions = np.empty(right.shape)
        converged: list[bool] = []
        lengths: list[Matrix] = []
        kept: list[Matrix] = []
        for part, sides in _take(right):
            descent = self._equations.begin(inverse, penalty, sides, enough[part])
            step = max(1, int(CALL / max(1, 2 * self._entries * sides.shape[1])))
            for steps in chunks(most, step, "conjugate gradients"):
                if descent.advance(steps.stop - steps.start, threads):
                    break
            found = np.empty(sides.shape)
            descent.finish(found)
            solutions[:, part] = found
            for side in range(sides.shape[1]):
                converged.append(descent.converged(side))
                lengths.append(np.array(descent.lengths(side)))
                kept.append(np.array(descent.kept(side)))
        return Descents(solutions, np.array(converged), lengths, kept)


def _take(matrix: Matrix) -> Iterator[tuple[slice, Matrix]]:
    """Yield a few columns at a time, and which those are."""
    for first in range(0, matrix.shape[1], _TOGETHER):
        part = slice(first, first + _TOGETHER)
        yield part, np.ascontiguousarray(matrix[:, part], np.float64)
