"""Columns of text as columns of 0 and 1, one for each category."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.columns import Column, numbers_of, plain
from rmodels.extras import require

__all__ = ["LACKING", "UNSEEN", "dummies", "texts_of"]

LACKING, UNSEEN = -1, -2  # places of what is missing, and of what is no category


def texts_of(rows: Any, name: Column, *, empty: bool) -> Any:
    """Return a column of a batch as an array of text of Arrow; null is what is missing.

    Parameters
    ----------
    rows : table or record batch
    name : str
    empty : bool
        Whether empty text is a value: not in a file without types.
    """
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    column = plain(rows.column(name))
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    column = column.cast(pyarrow.string())
    if empty:
        return column
    return compute.if_else(compute.equal(column, ""), pyarrow.scalar(None, column.type), column)


def _places(texts: Any, categories: NDArray) -> NDArray[np.intp]:
    """Return the place of each text among the categories, `LACKING` or `UNSEEN`."""
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    known = [each for each in categories if each is not None]
    found = compute.index_in(texts, value_set=pyarrow.array(known, pyarrow.string()))
    places = found.fill_null(UNSEEN).to_numpy(zero_copy_only=False).astype(np.intp)
    own = len(known) < len(categories)
    places[compute.is_null(texts).to_numpy(zero_copy_only=False)] = len(known) if own else LACKING
    return places


def dummies(
    rows: Any,
    columns: Sequence[Column],
    categories: Mapping[str, NDArray],
    dtype: np.dtype,
    room: NDArray,
    *,
    empty: bool,
) -> tuple[NDArray, dict[str, NDArray[np.intp]]]:
    """Return columns of a batch as an array, those of text as a column for each category.

    Parameters
    ----------
    rows : table or record batch
    columns : sequence of str or int
    categories : mapping of ndarray
        By the names of columns of text.
    dtype : numpy.dtype
    room : ndarray of shape (n,)
        Where the array is made, if it fits there.
    empty : bool
        As of `texts_of`.

    Returns
    -------
    X : ndarray of shape (n_rows, n_columns)
        0 everywhere for text that is missing or no category.
    places : dict of ndarray of shape (n_rows,)
        By the names of columns of text: the category's place, `LACKING` or `UNSEEN`.
    """
    n = rows.num_rows
    wide = [len(categories[str(name)]) if name in categories else 1 for name in columns]
    size = sum(wide) * n
    held = (room[:size] if size <= room.size else np.empty(size, dtype)).reshape(sum(wide), n)
    places: dict[str, NDArray[np.intp]] = {}
    first = 0
    for name, width in zip(columns, wide, strict=True):
        if name in categories:
            text = str(name)
            places[text] = _places(texts_of(rows, name, empty=empty), categories[text])
            there = np.flatnonzero(places[text] >= 0)
            held[first : first + width] = 0
            held[first + places[text][there], there] = 1
        else:
            held[first] = numbers_of(rows.column(name))
        first += width
    return held.T, places
