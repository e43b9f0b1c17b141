"""Labels of classes: which there are, and their places among the sorted ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from rmodels.data.arrays import namespace, on_gpu, on_host

__all__ = [
    "Encoding",
    "check_classes",
    "check_kinds",
    "describe_mix",
    "encode",
    "encode_by",
    "find_labels",
    "merge_labels",
    "sort_labels",
]

_MIX = "Mix of label input types (string and number)"
_CLOSE = 256  # between the least and the largest of whole numbers that always have a table
_LARGEST = 1 << 52  # of whole numbers in float64, with room for such a distance


def _are_text(labels: NDArray) -> bool:
    """Return whether labels are text; raise scikit-learn's error if some are and some are not."""
    if labels.dtype != object:
        return labels.dtype.kind in "SUT"
    texts = [isinstance(label, str) for label in labels.flat]
    if any(texts) and not all(texts):
        raise ValueError(f"{_MIX}: {labels.ravel()[texts.index(False)]!r} beside text")
    return any(texts)


def check_kinds(*columns: NDArray) -> None:
    """Raise scikit-learn's error if some labels are text and others numbers."""
    found = {_are_text(labels): labels for labels in columns if len(labels)}
    if len(found) > 1:
        text, number = (found[kind].ravel()[:1].tolist()[0] for kind in (True, False))
        raise ValueError(describe_mix(text, number))


def describe_mix(text: str, number: Any) -> str:
    """Return scikit-learn's words for labels that are text beside others that are none."""
    return f"{_MIX}: {text!r} beside {number!r}"


@dataclass(frozen=True, eq=False)
class Encoding:
    """How labels as they are read become places among the classes.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
        As they are read, sorted.
    values : ndarray of shape (n_labels,)
        What each stands for: several texts may be the same number.
    places : ndarray of shape (n_labels,)
        Of each among the classes.
    """

    labels: NDArray
    values: NDArray
    places: NDArray[np.intp]

    @classmethod
    def of(cls, labels: NDArray, values: NDArray, classes: NDArray | None = None) -> "Encoding":
        """Return the encoding of sorted labels; the classes are their values, if not known."""
        if classes is None:
            return cls(labels, values, np.unique(values, return_inverse=True)[1])
        check_kinds(classes, values)
        places = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
        unknown = classes[places] != values
        if unknown.any():
            label = values[unknown][:1].tolist()[0]
            raise ValueError(f"y holds the label {label!r}, which is not among the classes")
        return cls(labels, values, places)


def check_classes(labels: NDArray, n_samples: int, n_outputs: int = 1) -> None:
    """Raise scikit-learn's error if sorted labels are no classes; warn if most rows have their own.

    What it asks of all rows is asked of as few as tell the same; of whole numbers that most rows
    share there is nothing to ask.
    """
    if n_outputs == 1 and labels.dtype.kind in "biu" and 2 * len(labels) <= n_samples:
        return
    few = np.resize(labels, min(n_samples, 3 * len(labels)))
    check_classification_targets(few if n_outputs == 1 else np.column_stack([few] * n_outputs))


def encode(Y: Any) -> tuple[list[Any], Any]:
    """Return the sorted classes of each column of labels, and the labels' places among them.

    Parameters
    ----------
    Y : ndarray or tensor of shape (n_samples, n_outputs)

    Returns
    -------
    classes : list of ndarray or tensor
    codes : ndarray or tensor of shape (n_samples, n_outputs)
        Where Y is.

    Raises
    ------
    ValueError
        If labels are no classes.
    """
    if on_gpu(Y):
        found = [namespace(Y).unique(column, return_inverse=True) for column in Y.T]
        for labels, _ in found:
            check_classes(on_host(labels), len(Y))
        return [labels for labels, _ in found], namespace(Y).stack([c for _, c in found], 1)
    objects = Y.dtype == object
    if objects:
        check_classification_targets(Y)  # before they are compared
    found = [_place(column) for column in Y.T]
    classes = [labels for labels, _ in found]
    for labels in () if objects else classes:
        check_classes(labels, len(Y), Y.shape[1])
    if len(found) == 1:
        return classes, found[0][1][:, np.newaxis]
    return classes, np.array([places for _, places in found], dtype=np.intp).reshape(-1, len(Y)).T


def _place(column: NDArray) -> tuple[NDArray, NDArray[np.intp]]:
    """Return what `np.unique` does with inverses; of whole numbers that lie close by a table."""
    found = _count(column)
    if found is None:
        return np.unique(column, return_inverse=True)
    labels, whole, used = found
    if len(used) == used[-1] + 1:  # every number between them: they are the places
        return labels, whole
    table = np.empty(int(used[-1]) + 1, dtype=np.intp)
    table[used] = np.arange(len(used))
    return labels, table[whole]


def _count(column: NDArray) -> tuple[NDArray, NDArray[np.intp], NDArray[np.intp]] | None:
    """Return the labels, each row's label less the least, and such differences that there are.

    None if they are not whole numbers that lie close.
    """
    if column.dtype.kind not in "biuf" or not len(column):
        return None
    least, most = float(column.min()), float(column.max())
    if not (most - least <= max(_CLOSE, 2 * len(column)) and abs(least) < _LARGEST):
        return None
    whole = column.astype(np.intp)  # a copy: models keep places
    if column.dtype.kind == "f" and not (whole == column).all():
        return None
    whole -= int(least)
    used = np.flatnonzero(np.bincount(whole))
    return (used + int(least)).astype(column.dtype), whole, used


def encode_by(Y: NDArray, encodings: Sequence[Encoding], place: str) -> NDArray[np.intp]:
    """Return the places of labels among classes that are known: (n_samples, n_outputs).

    Raises
    ------
    ValueError
        If a label is not one of them.
    """
    codes = np.empty(Y.shape, dtype=np.intp)
    for output, (column, encoding) in enumerate(zip(Y.T, encodings, strict=True)):
        check_kinds(encoding.labels, column)
        found = _search(encoding.labels, column)
        unknown = encoding.labels[found] != column
        if unknown.any():
            label = column[unknown][:1].tolist()[0]
            raise ValueError(f"{place}y holds the label {label!r}, which is not among the classes")
        codes[:, output] = encoding.places[found]
    return codes


def _search(labels: NDArray, column: NDArray) -> NDArray[np.intp]:
    """Return the place of each label of a column among sorted ones, or of another if it is none."""
    last = len(labels) - 1
    kinds = labels.dtype.kind + column.dtype.kind
    if kinds == "ii" and len(column) and int(labels[-1]) - int(labels[0]) <= _CLOSE:
        least, most = int(labels[0]), int(labels[-1])
        if least <= int(column.min()) and int(column.max()) <= most:
            places = np.searchsorted(labels, np.arange(least, most + 1))
            return places[column.astype(np.intp) - least]
    return np.minimum(np.searchsorted(labels, column), last)


def find_labels(Y: NDArray) -> list[NDArray]:
    """Return the sorted labels of each column."""
    return [sort_labels(column) for column in Y.T]


def sort_labels(column: NDArray) -> NDArray:
    """Return the sorted labels of a column."""
    found = _count(column)
    return np.unique(column) if found is None else found[0]


def merge_labels(first: list[NDArray], second: list[NDArray]) -> list[NDArray]:
    """Return the sorted labels of two parts."""
    merged = []
    for one, other in zip(first, second, strict=True):
        check_kinds(one, other)
        merged.append(np.unique(np.concatenate([one, other])))
    return merged
