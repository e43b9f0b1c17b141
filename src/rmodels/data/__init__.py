"""Rows wherever they are: the only way in and out of the package.

`source` takes what users hold: arrays, frames, sparse matrices, tensors, what `rmodels.scan`
returns, Dask collections. Nobody outside asks which of them X is.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.checks import Need, Targets, array_rows, assert_finite, plain_rows
from rmodels.data.dask_source import DaskSource, is_dask
from rmodels.data.formats import TableReader, is_frame, names_of
from rmodels.data.preparation import preparation_of
from rmodels.data.scan import Scan
from rmodels.data.scan_source import ScanSource
from rmodels.data.source import WEIGHTLESS, Prepared, Rows, Source
from rmodels.data.values import refuse_sparse
from rmodels.extras import require

__all__ = [
    "WEIGHTLESS",
    "Need",
    "Prepared",
    "Rows",
    "Source",
    "assert_finite",
    "gather",
    "hold",
    "is_in_memory",
    "map_rows",
    "source",
]

_LINEAR = Need()


def is_in_memory(X: Any) -> bool:
    """Return whether X is an array of some kind, and not a scan or a collection of Dask."""
    return not isinstance(X, Scan) and not is_dask(X)


def source(
    estimator: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    targets: Targets = "none",
    need: Need = _LINEAR,
    reset: bool = True,
    part: bool = False,
    encoded: bool = True,
    classes: Sequence[NDArray] | None = None,
    task: str = "fit",
) -> Source:
    """Return X, y and weights as checked rows, wherever they are.

    Parameters
    ----------
    estimator : object
        Its `n_features_in_` and `feature_names_in_` are set, or compared if not `reset`.
    X : array-like, frame, sparse matrix, tensor, scan or Dask collection
    y : array-like, name of a column or list of them, or None
    sample_weight : array-like, name of a column, number or None
        At least 0.
    targets : {"none", "numbers", "labels"}
        What y is: nothing, floats, or labels of classes.
    need : Need
        What the estimator needs of X.
    reset : bool
        Whether this is a fit that begins anew.
    part : bool
        Whether these are a part of the rows of a fit: then all their weights may be 0.
    encoded : bool
        Whether labels become places among the classes.
    classes : list of ndarray or None
        The classes of each target, where they are known.
    task : str
        What progress is shown as.

    Returns
    -------
    Source

    Raises
    ------
    ValueError, TypeError
        scikit-learn's errors, of files and clusters with the place.
    """
    prepared = None if reset else preparation_of(estimator)
    if reset:
        vars(estimator).pop("_preparation", None)
    if prepared is not None and is_frame(X) and prepared.is_given(names_of(X)):
        X = Scan(TableReader(X), names_of(X))  # which makes 0 and 1 of text, as in the fit
    plain = type(X) is np.ndarray
    if plain and targets == "none" and sample_weight is None and prepared is None:
        return plain_rows(estimator, X, need, reset=reset)
    if targets != "none":
        refuse_sparse(y, "y")
    if not plain and isinstance(X, Scan):
        return ScanSource(
            X,
            estimator,
            y,
            sample_weight,
            targets=targets,
            reset=reset,
            part=part,
            encoded=encoded,
            classes=classes,
            missing=need.missing,
            task=task,
        )
    if not plain and is_dask(X):
        return DaskSource(
            X,
            estimator,
            y,
            sample_weight,
            targets=targets,
            reset=reset,
            part=part,
            encoded=encoded,
            classes=classes,
            missing=need.missing,
        )
    return array_rows(
        estimator,
        X,
        y,
        sample_weight,
        need,
        targets=targets,
        reset=reset,
        part=part,
        encoded=encoded,
        classes=classes,
        prepared=prepared,
    )


def gather(
    estimator: Any, X: Scan, y: Any, sample_weight: Any, targets: Targets
) -> tuple[Any, Any, Any, Any]:
    """Return the rows of a scan in memory, for a fit that needs them there.

    Parameters
    ----------
    estimator : object
        Of the class that is to be fitted.
    X : Scan
    y, sample_weight, targets
        As of `source`.

    Returns
    -------
    X : pyarrow.Table
    y : ndarray of shape (n_samples,) or (n_samples, n_targets) or None
        Labels are text in all columns if they are in one.
    sample_weight : ndarray of shape (n_samples,) or None
    prepared : Preparation or None
        How columns became X, which the estimator must keep when it is fitted to what is returned.
    """
    found = source(estimator, X, y, sample_weight, targets=targets)

    def copy_rows(rows: Rows) -> list[list[Any]]:
        return [[None if A is None else A.copy() for A in (rows.X, rows.Y, rows.weights)]]

    parts = zip(*found.fold(copy_rows), strict=True)
    A, Y, weights = (None if each[0] is None else np.concatenate(each) for each in parts)
    if Y is not None and found.classes is not None:
        labels = [c[codes] for c, codes in zip(found.classes, Y.T, strict=True)]
        texts = any(each.dtype == object for each in labels)
        Y = np.stack([list(map(str, each)) if texts else each for each in labels], axis=1)
    if Y is not None and found.one_target:
        Y = Y[:, 0]
    names = list(map(str, estimator.feature_names_in_))
    assert A is not None
    table = require("pyarrow", "files").table(list(A.T), names=names)
    return table, Y, weights, preparation_of(estimator)


def hold(estimator: Any, X: Any) -> Any:
    """Return an estimator whose answers about X stay those of now, if they are computed later."""
    return copy.copy(estimator) if is_dask(X) else estimator


def map_rows(
    estimator: Any,
    X: Any,
    answer: Callable[[Rows], Any],
    *,
    need: Need = Need(missing="refuse"),  # noqa: B008
    task: str = "predict",
) -> Any:
    """Return what a fitted estimator answers to each row of X; see `Source.map`.

    Parameters
    ----------
    estimator : object
        Fitted: X must have the columns that it saw.
    X : array-like, frame, sparse matrix, tensor, scan or Dask collection
    answer : callable
        Of checked `Rows`.
    need : Need
    task : str
        What progress is shown as.
    """
    return source(estimator, X, need=need, reset=False, task=task).map(answer)
