"""Checking the parts of files and of clusters, where they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import assert_all_finite, check_array

from rmodels.data.arrays import aligned
from rmodels.data.checks import Missing, Targets, constant_weight, is_plain, is_surely_finite
from rmodels.data.labels import Encoding, check_kinds, encode_by
from rmodels.data.source import Rows
from rmodels.data.values import name_missing, refuse_kinds, refuse_missing, refuse_text

__all__ = ["Part"]


@dataclass(frozen=True, eq=False)
class Part:
    """How a part of rows in files or on a cluster becomes checked rows, where it is.

    Attributes
    ----------
    estimator : str
        Name of its class, for messages.
    columns : list of str or int
        Of X.
    dtype : numpy.dtype
        Of X.
    targets : {"none", "numbers", "labels", "codes"}
        "codes" are places among the classes already.
    encodings : list of Encoding or None
        How labels become places among the classes; None leaves them as they are.
    one_target : bool
    missing : {"later", "refuse", "allow"}
        As of `Need`: whether X is searched for NaN and infinity, for infinity alone, or not before
        `assert_finite`.
    target_dtype : numpy.dtype
        Of targets that are numbers.
    """

    estimator: str
    columns: list[Any]
    dtype: np.dtype
    targets: Targets = "none"
    encodings: list[Encoding] | None = None
    classes: list[NDArray] | None = None
    one_target: bool = True
    missing: Missing = "later"
    target_dtype: np.dtype = np.dtype(np.float64)  # noqa: RUF009

    def rows(
        self,
        X: Any,
        y: Any,
        weights: Any,
        place: str,
        first: int = 0,
        assert_finite: Callable[[], None] | None = None,
    ) -> Rows:
        """Return checked rows.

        Parameters
        ----------
        X, y, weights : ndarray, frame, series, number or None
        place : str
            Where they are, for messages: "partition 3".
        first : int, default=0
            Number of the first row.
        assert_finite : callable, default=None
            What tells where X or y is not finite, if that is known better than by `place`.

        Raises
        ------
        ValueError
            If numbers of rows differ, or a value cannot be used; the message says where.
        """
        A = aligned(self._samples(X, place))
        Y = None if self.targets == "none" else aligned(self._targets(y, len(A), place))
        w = aligned(self._weights(weights, len(A), place))

        def check() -> None:
            self._assert_finite(A, place)
            if self.targets == "numbers":
                assert_all_finite(Y, input_name=f"y, {place},", estimator_name=self.estimator)

        check = assert_finite or check
        numbers = [A, Y] if Y is not None and self.targets == "numbers" else [A]
        if self.missing != "later" and not all(is_surely_finite(each) for each in numbers):
            check()
        return Rows(A, Y, w, check, first, self.one_target, self.classes)

    def _samples(self, X: Any, place: str) -> NDArray:
        if is_plain(X) and X.dtype == self.dtype and X.ndim == 2:
            found: NDArray = X
            return found
        refuse_kinds(X, f"X, {place},")
        refuse_text(X, f"X, {place},")
        try:
            return self._array(X, f"X, {place},", self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{place}{self._culprit(X)}: {error}") from error

    def _array(self, A: Any, name: str, dtype: Any) -> NDArray:
        with name_missing(name):
            found: NDArray = check_array(
                A,
                dtype=dtype,
                ensure_2d=name.startswith("X"),
                ensure_all_finite=False,
                ensure_min_samples=0,
                ensure_min_features=0,
                input_name=name,
                estimator=self.estimator,
            )
        return found

    def _culprit(self, X: Any) -> str:
        """Return which column of a frame cannot be numbers, for a message."""
        for name in getattr(X, "columns", ()):
            try:
                self._array(X[[name]], "X", self.dtype)
            except (TypeError, ValueError):
                return f", column {name!r}"
        return ""

    def _targets(self, y: Any, n_rows: int, place: str) -> NDArray:
        labels = self.targets == "labels"
        if self.targets == "codes":
            found: NDArray = y
            return found
        if not labels:
            refuse_kinds(y, f"y, {place},")
        try:
            Y = self._array(y, f"y, {place},", None if labels else self.target_dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y, {place}: {error}") from error
        if len(Y) != n_rows:
            raise ValueError(f"{place}: y has {len(Y)} rows, and X {n_rows}")
        Y = Y[:, np.newaxis] if Y.ndim == 1 else Y
        if not labels:
            return Y
        if Y.dtype.kind == "f":
            assert_all_finite(Y, input_name=f"y, {place},", estimator_name=self.estimator)
        elif Y.dtype == object:
            refuse_missing(Y, f"y, {place},")
            for column in Y.T:
                check_kinds(column)
        return Y if self.encodings is None else encode_by(Y, self.encodings, f"{place}: ")

    def _weights(self, weights: Any, n_rows: int, place: str) -> NDArray | None:
        if weights is None:
            return None
        if constant_weight(weights):
            weights = np.full(n_rows, float(weights))
        refuse_kinds(weights, f"sample_weight, {place},")
        with name_missing(f"sample_weight, {place},"):
            try:
                w = np.asarray(weights, np.float64)
            except ValueError as error:
                raise ValueError(f"{place}: sample_weight: {error}") from error
        if w.ndim == 2 and w.shape[1] == 1:
            w = w[:, 0]
        if w.ndim != 1 or len(w) != n_rows:
            raise ValueError(f"{place}: sample_weight has shape {w.shape}, and X has {n_rows} rows")
        bad = ~(np.isfinite(w) & (w >= 0))
        if bad.any():
            raise ValueError(f"{place}: weights must be finite and at least 0; one is {w[bad][0]}")
        return w

    def _assert_finite(self, A: NDArray, place: str) -> None:
        bad = np.isinf(A) if self.missing == "allow" else ~np.isfinite(A)
        if not bad.any():
            return
        row, column = (int(each[0]) for each in np.nonzero(bad))
        fault = "NaN" if np.isnan(A[row, column]) else "infinity"
        raise ValueError(
            f"Input X, {place}, contains {fault} in column {self.columns[column]!r}.\n"
            f"{self.estimator} needs finite numbers: leave such rows out, or fill them in."
        )
