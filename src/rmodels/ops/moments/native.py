"""Moments by the compiled extension."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.large_pages import empty
from rmodels.ops.moments import Gram, GroupMoments, Matrix, Moments, Scatter

CALL = 1e9  # multiply-adds in a native call: 20 to 150 ms
_ENTRIES = 1 << 22  # of a sparse matrix, in a native call
_HELD = 1 << 19  # bytes of sums of groups that are held at a time
_TABLE = 1 << 12  # numbers of groups' means that rows are read with as they lie
_WIDE = 256  # columns from which the order of the rows does not matter
_ALONE = 2e6  # multiply-adds that take one thread less time than starting another


def _threads(work: float, n_threads: int | None) -> int:
    return 1 if work < _ALONE else n_threads or thread_count()


def moments(X: NDArray, Y: NDArray, weights: NDArray | None, n_threads: int | None) -> Moments:
    """Add the rows to their sums, a chunk at a time."""
    n_samples, n_features = X.shape
    columns = n_features + Y.shape[1]
    row_work = 32 + (columns + 1) ** 2 / 2
    threads = _threads(n_samples * row_work, n_threads)
    extension: Any = native.load()
    sums = extension.Moments(columns)
    unit, slab, step = sums.granularity, sums.slab_rows, int(CALL / row_work)
    # whole slabs, one for each thread at least, where a call has the time for them
    step = max(threads, step // slab) * slab if step >= slab else max(1, step // unit) * unit
    for rows in chunks(n_samples, step, "moments"):
        sums.add(X, Y, weights, rows.start, rows.stop, threads)
    return _finish(sums, n_samples, n_features, columns)


def _finish(sums: Any, n_samples: int, n_features: int, columns: int) -> Moments:
    mean, rest, scatter = np.empty(columns), np.empty(columns), empty(columns, columns)
    sums.finish(mean, rest, scatter)
    return Moments(n_samples, n_features, sums.weight, mean, scatter, "native", rest)


def group_moments(
    X: NDArray,
    Y: NDArray,
    groups: NDArray,
    n_groups: int,
    weights: NDArray | None,
    scatter: Scatter,
    n_threads: int | None,
) -> GroupMoments:
    """Add the rows as they lie, or the rows of one group after the other to sums."""
    codes = np.ascontiguousarray(groups, dtype=np.int64)
    columns = X.shape[1] + Y.shape[1]
    few = n_groups * max(columns, 1) <= _TABLE and columns < _WIDE
    if scatter == "diagonal" or (scatter == "pooled" and few):
        return _in_order(X, Y, codes, n_groups, weights, scatter, n_threads)
    extension: Any = native.load()
    count, order = np.empty(n_groups, dtype=np.int64), np.empty(len(codes), dtype=np.int64)
    extension.sort_groups(codes, count, order)
    n_features = X.shape[1]
    shape = (columns, columns) if scatter == "pooled" else (n_groups, columns, columns)
    kept, weight = np.zeros(shape), np.empty(n_groups)
    mean, rest = np.empty((n_groups, columns)), np.empty((n_groups, columns))
    row_work = 32 + (columns + 1) ** 2 / 2
    most, held = int(CALL / row_work), max(1, _HELD // (8 * (columns + 1) ** 2))
    first = 0
    for some in _share_groups(count, most, held):
        sums = [extension.Moments(columns) for _ in count[some]]
        rows = int(count[some].sum())
        numbers = order[first : first + rows]
        threads = _threads(rows * row_work, n_threads)
        step = max(1, most // sums[0].slab_rows) * sums[0].slab_rows
        for part in chunks(rows, step if len(sums) == 1 else rows, "moments"):
            counts = count[some] if len(sums) > 1 else np.array([part.stop - part.start])
            extension.add_groups(sums, X, Y, weights, numbers[part], counts, threads)
        for group, each in enumerate(sums, some.start):
            found = _finish(each, int(count[group]), n_features, columns)
            weight[group], mean[group], rest[group] = found.weight, found.mean, found.rest
            if scatter == "full":
                kept[group] = found.scatter
            else:
                kept += found.scatter
        first += rows
    return GroupMoments(n_features, count, weight, mean, kept, scatter, "native", rest)


def _share_groups(count: NDArray, most: int, held: int) -> Iterator[slice]:
    """Yield the groups of each call: up to `held`, of no more than `most` rows together."""
    first, rows = 0, 0
    for group, own in enumerate(count.tolist()):
        if group > first and (rows + own > most or group - first == held):
            yield slice(first, group)
            first, rows = group, 0
        rows += own
    if len(count):
        yield slice(first, len(count))


def _in_order(
    X: NDArray,
    Y: NDArray,
    codes: NDArray,
    n_groups: int,
    weights: NDArray | None,
    scatter: Scatter,
    n_threads: int | None,
) -> GroupMoments:
    n_samples, n_features = X.shape
    columns = n_features + Y.shape[1]
    extension: Any = native.load()
    if scatter == "diagonal":
        sums, row_work = extension.GroupSquares(n_groups, columns), 4 * columns + 16
        shape: tuple[int, int] = (n_groups, columns)
    else:
        sums, row_work = extension.PooledScatter(n_groups, columns), 32 + (columns + 1) ** 2 // 2
        shape = (columns, columns)
    threads = _threads(n_samples * row_work, n_threads)
    unit = sums.granularity
    step = max(1, int(CALL / row_work) // unit) * unit
    for rows in chunks(n_samples, step, "moments"):
        sums.add(X, Y, weights, codes, rows.start, rows.stop, threads)
    count, weight = np.empty(n_groups, dtype=np.int64), np.empty(n_groups)
    mean, rest = np.empty((n_groups, columns)), np.empty((n_groups, columns))
    kept = np.empty(shape)
    sums.finish(count, weight, mean, rest, kept)
    return GroupMoments(n_features, count, weight, mean, kept, scatter, "native", rest)


def gram(X: NDArray, weights: NDArray | None, centre: bool, n_threads: int | None) -> Gram:
    """Add the columns to the products, a chunk at a time."""
    n_samples, n_features = X.shape
    column_work = 32 + n_samples**2 / 2
    threads = _threads(n_features * column_work, n_threads)
    extension: Any = native.load()
    products = extension.RowProducts(n_samples, weights, centre)
    mean = np.zeros(n_features)
    for columns in chunks(n_features, max(64, int(CALL / column_work)), "gram"):
        products.add(X[:, columns], mean[columns], threads)
    result = empty(n_samples, n_samples)
    products.finish(result)
    return Gram(mean, result, "native")


def sparse_products(X: Any, weights: NDArray | None, n_threads: int | None) -> Matrix:
    """Add the rows to the products, a chunk at a time."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    n_samples, n_features = X.shape
    index = np.result_type(X.indices, X.indptr)
    values = np.ascontiguousarray(X.data)
    columns, starts = (np.ascontiguousarray(each, index) for each in (X.indices, X.indptr))
    entry_work = 16 + 8 * X.nnz / max(1, n_samples)  # in what dense multiply-adds take
    threads = _threads(X.nnz * entry_work, n_threads)
    extension: Any = native.load()
    products = np.zeros((n_features, n_features))
    w = None if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    first = 0
    for part in chunks(X.nnz, int(min(CALL / entry_work, _ENTRIES)), "moments"):
        last = int(np.searchsorted(X.indptr, part.stop, side="right")) - 1
        extension.add_sparse_products(values, columns, starts, w, first, last, products, threads)
        first = last
    extension.mirror(products, threads)
    return products
