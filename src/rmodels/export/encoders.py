"""Encoders of scikit-learn: the place of each value among the categories, and what is there."""

from functools import cache
from typing import Any

import numpy as np
from sklearn.preprocessing import OrdinalEncoder

from rmodels.exceptions import NotCoveredError
from rmodels.export.graph import Value

__all__ = ["encode_means", "encode_one_hot", "encode_places"]


def encode_one_hot(step: Any, columns: list[Value]) -> Value:
    """Return a column for each category of each feature, 1 where the value is of it."""
    parts = []
    for j, column in enumerate(columns):
        places, unknown = _group(step, j)
        if step.drop_idx_ is not None and step.drop_idx_[j] is not None:
            dropped = places[step.drop_idx_[j]]
            unknown = -1 if unknown == dropped else unknown - (unknown > dropped)
            places = np.where(places == dropped, -1, places - (places > dropped))
        table = places if step.handle_unknown == "error" else np.append(places, unknown)
        width = max(places.max(), unknown) + 1
        if width:
            found = column.graph.constant(table).take(_places(step, j, column))
            parts.append(found.equals(np.arange(width)))
    if not parts:
        raise NotCoveredError("OneHotEncoder drops all categories, and a graph gives some columns")
    return columns[0].graph.concatenate(parts, 1).astype(_dtype_of(step))


def encode_places(step: Any, columns: list[Value]) -> Value:
    """Return the place of the category of each value."""
    parts, dtype = [], _dtype_of(step)
    for j, column in enumerate(columns):
        table = _group(step, j, missing=False)[0].astype(dtype)
        gap = _missing(step.categories_[j])
        if gap is not None and (step.categories_[j][gap] is not None or _lacks_none()):
            table[gap] = step.encoded_missing_value
        if step.handle_unknown != "error":
            table = np.append(table, np.asarray(step.unknown_value, dtype))
        parts.append(column.graph.constant(table).take(_places(step, j, column)))
    return columns[0].graph.concatenate(parts, 1)


def encode_means(step: Any, columns: list[Value]) -> Value:
    """Return the mean of the target among rows of the same category, of each class."""
    others = np.atleast_1d(step.target_mean_)
    parts = []
    for j, column in enumerate(columns):
        places = _places(step, j, column)
        for k, other in enumerate(others):
            table = np.append(step.encodings_[j * len(others) + k], other)
            parts.append(column.graph.constant(table).take(places))
    return columns[0].graph.concatenate(parts, 1)


def _dtype_of(step: Any) -> np.dtype:
    """Return the dtype of what an encoder makes; all integers are int64 in a graph."""
    dtype = np.dtype(step.dtype)
    return np.dtype(np.int64) if dtype.kind in "iu" else dtype


def _group(step: Any, feature: int, *, missing: bool = True) -> tuple[np.ndarray, int]:
    """Return the place of each category when those that are rare are one, and of what is unknown.

    That is −1 if it has none. The rare ones are last; without `missing`, of those that are present.
    """
    categories = step.categories_[feature]
    groups = getattr(step, "infrequent_categories_", None)  # None if nothing is grouped
    if groups is None or groups[feature] is None:
        return np.arange(len(categories)), -1
    names = set(map(str, groups[feature]))  # by which NaN is itself
    rare = np.array([str(each) in names for each in categories])
    counted = ~rare
    gap = _missing(categories)
    if gap is not None and not missing:
        counted[gap] = False
    last = int(counted.sum())
    places = np.where(rare, last, np.cumsum(counted) - 1)
    return places, last if step.handle_unknown in ("infrequent_if_exist", "warn") else -1


@cache
def _lacks_none() -> bool:
    """Return whether to OrdinalEncoder None is missing: to older ones it is a category."""
    return bool(np.isnan(OrdinalEncoder().fit_transform([["x"], [None]])[1, 0]))


def _missing(categories: np.ndarray) -> int | None:
    """Return the place of the category of values that are missing, which is the last, or None."""
    last = categories[-1]
    return len(categories) - 1 if last is None or last != last else None


def _places(step: Any, feature: int, column: Value) -> Value:
    """Return the places of values among the categories of a feature; of others, their number.

    Raises
    ------
    NotCoveredError
        If the categories are text and the values numbers.
    """
    categories = step.categories_[feature]
    n = len(categories)
    if column.dtype.kind == "O":
        return column.place(np.array([str(each) for each in categories], dtype=object))
    gap = _missing(categories)
    known = np.array(categories[:gap].tolist())
    if known.dtype.kind not in "biuf" and len(known):
        raise NotCoveredError(
            f"{type(step).__name__} was fitted to text, and X has numbers in its place: give "
            "to_onnx rows as those of the fit as X"
        )
    if known.dtype.kind in "biu" and column.dtype.kind in "iub":
        return column.astype(np.int64).place(known.astype(np.int64))
    # At most one is the same: the sum is its place less n, or 0.
    same = column.as_floats().equals(known.astype(np.float64)).astype(np.float64)
    places = (same @ (np.arange(len(known)) - float(n)).reshape(-1, 1)).astype(np.int64) + n
    return places if gap is None else column.graph.where(column.is_nan(), gap, places)
