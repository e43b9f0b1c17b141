"""Whole columns in memory: the batches of a reader, collected."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.columns import Column, matrix
from rmodels.data.formats.labels import check_present, columns_of, first_missing, parse
from rmodels.data.formats.reader import Batch, Reader
from rmodels.extras import require

__all__ = ["read"]

_BATCH = 1 << 24  # bytes


def read(
    reader: Reader,
    numbers: Sequence[Column],
    labels: Sequence[Column] = (),
    *,
    as_text: bool = False,
    size: int | None = None,
) -> tuple[Any, list[NDArray]]:
    """Return columns, every value of which is there.

    Parameters
    ----------
    reader : Reader
    numbers : sequence of str or int
        Columns of finite numbers.
    labels : sequence of str or int
        Columns of numbers, booleans or text.
    as_text : bool, default=False
        Whether to return all labels as text.
    size : int, optional
        Most rows of a batch.

    Returns
    -------
    numbers : pyarrow.Table
        Of float64 columns.
    labels : list of ndarray
        Numbers, booleans, or objects that are text.

    Raises
    ------
    ValueError
        If a column is not in the source, is asked for twice, there are no rows, or a value is
        missing, not finite or not a number; the message says where.
    """
    pyarrow = require("pyarrow", "files")
    asked = [*numbers, *labels]
    for place, name in enumerate(asked):
        if name in asked[:place]:
            raise ValueError(f"column {name!r} is asked for twice")
    reader.check(numbers, labels)
    size = size or max(1, _BATCH // (8 * max(1, len(asked))))
    tables: list[Any] = []
    found: list[list[NDArray]] = []
    met: list[Batch] = []
    for batch in reader.batches(asked, size, 0, labels):
        values = _finite(reader, batch, numbers)
        tables.append(pyarrow.table(list(values.T), names=list(map(str, numbers))))
        found.append(columns_of(batch.rows, labels, as_text))
        for name, column in zip(labels, found[-1], strict=True):
            check_present(reader, [batch], name, first_missing(reader, column))
        met.append(batch._replace(rows=range(len(batch.rows))))
    if not met:
        raise ValueError(f"{reader.name} has no rows")
    whole = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    if not (reader.has_types or as_text):
        for place, name in enumerate(labels):
            whole[place], missing = parse(whole[place])
            check_present(reader, met, name, missing)
    return pyarrow.concat_tables(tables), whole


def _finite(reader: Reader, batch: Batch, columns: Sequence[Column]) -> NDArray[np.float64]:
    """Return columns of a batch, (rows, columns), every value of which is finite."""
    values = matrix(batch.rows, columns, np.dtype(np.float64), np.empty(0))
    bad = ~np.isfinite(values)
    if bad.any():
        row, place = (int(each[0]) for each in np.nonzero(bad))
        value = values[row, place]
        given = batch.rows
        if not isinstance(given, np.ndarray) and not given.column(columns[place])[row].is_valid:
            said = "missing value"
        else:
            said = f"{value} is not finite"
        raise ValueError(
            reader.fault(batch, columns)
            or f"{reader.at(batch, row)}, column {columns[place]!r}: {said}"
        )
    return values
