"""The Triton kernel of the moments.

With A = [X − s | Y − t | 1], s and t near the columns' means, one product P = Aᵀ diag(w) A holds
Σw, Σw·d and Σw·d·dᵀ. Rows are read in their own dtype, shifted and multiplied in float64 on the
tensor cores, and accumulated in float64.

Read: each row once from memory; the tiles of a slab run next to one another, so that the second
cache serves the others. Operations: n (c + 1)(c + 1 + TILE) for c columns, by symmetry.
"""

import triton
import triton.language as tl

__all__ = ["products_kernel"]


@triton.jit
def _columns(
    X, Y, shift, rows, columns, n_rows, n_features, n_columns, x_row, x_column, y_row, y_column
):
    """Load a tile of A in float64: (rows, columns)."""
    r = rows.to(tl.int64)[:, None]
    c = columns.to(tl.int64)[None, :]
    inside = (rows < n_rows)[:, None]
    from_x = columns < n_features
    from_y = (columns >= n_features) & (columns < n_columns)
    x = tl.load(X + r * x_row + c * x_column, mask=inside & from_x[None, :], other=0.0)
    y = tl.load(
        Y + r * y_row + (c - n_features) * y_column, mask=inside & from_y[None, :], other=0.0
    )
    s = tl.load(shift + columns, mask=columns < n_columns, other=0.0)
    value = tl.where(from_x[None, :], x.to(tl.float64), y.to(tl.float64)) - s[None, :]
    ones = (columns == n_columns)[None, :]
    return tl.where(inside & (columns < n_columns)[None, :], value, tl.where(ones, 1.0, 0.0))


@triton.jit
def products_kernel(
    X,  # (n_rows, n_features), any strides
    Y,  # (n_rows, n_columns - n_features), any strides
    weights,  # (n_rows,), any stride
    shift,  # (n_columns,) float64
    products,  # (slabs, tiles, TILE, TILE) float64: tile pairs i ≤ j of P
    pairs,  # (tiles, 2) int32
    n_rows,
    n_features,
    n_columns,
    rows_per_slab,
    x_row,
    x_column,
    y_row,
    y_column,
    weights_row,
    WEIGHTED: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Compute one tile of P for one slab of rows."""
    pair = tl.program_id(0)
    slab = tl.program_id(1)
    left = tl.load(pairs + 2 * pair) * TILE + tl.arange(0, TILE)
    right = tl.load(pairs + 2 * pair + 1) * TILE + tl.arange(0, TILE)
    first = slab * rows_per_slab
    last = tl.minimum(first + rows_per_slab, n_rows)
    total = tl.zeros((TILE, TILE), dtype=tl.float64)
    for start in range(first, last, ROWS):
        rows = start + tl.arange(0, ROWS)
        a = _columns(
            X, Y, shift, rows, left, last, n_features, n_columns, x_row, x_column, y_row, y_column
        )
        b = _columns(
            X, Y, shift, rows, right, last, n_features, n_columns, x_row, x_column, y_row, y_column
        )
        if WEIGHTED:
            w = tl.load(weights + rows.to(tl.int64) * weights_row, mask=rows < last, other=0.0)
        else:
            w = tl.where(rows < last, 1.0, 0.0)
        total = tl.dot(tl.trans(a), w.to(tl.float64)[:, None] * b, total, out_dtype=tl.float64)
    tiles = tl.num_programs(0)
    place = products + (slab.to(tl.int64) * tiles + pair) * TILE * TILE
    i = tl.arange(0, TILE)
    tl.store(place + i[:, None] * TILE + i[None, :], total)
