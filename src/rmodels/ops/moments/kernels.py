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
    X,  # at the tile's first row and column
    Y,
    shift,
    rows,
    columns,
    first,
    n_rows,
    n_features,
    n_columns,
    x_row,
    x_column,
    y_row,
    y_column,
):
    """Load a tile of A in float64, from column `first` on: (rows, columns)."""
    column = first + columns
    inside = (rows < n_rows)[:, None]
    from_x = (column < n_features)[None, :]
    from_y = ((column >= n_features) & (column < n_columns))[None, :]
    r, c = rows[:, None], columns[None, :]
    x = tl.load(X + (r * x_row + c * x_column), mask=inside & from_x, other=0.0)
    y = tl.load(Y + (r * y_row + c * y_column), mask=inside & from_y, other=0.0)
    s = tl.load(shift + column, mask=column < n_columns, other=0.0)
    value = tl.where(from_x, x.to(tl.float64), y.to(tl.float64)) - s[None, :]
    ones = tl.where(column == n_columns, 1.0, 0.0).to(tl.float64)
    return tl.where(inside & (from_x | from_y), value, ones[None, :])


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
    left = tl.load(pairs + 2 * pair) * TILE
    right = tl.load(pairs + 2 * pair + 1) * TILE
    columns = tl.arange(0, TILE)
    first = slab * rows_per_slab
    last = tl.minimum(first + rows_per_slab, n_rows)
    total = tl.zeros((TILE, TILE), dtype=tl.float64)
    rows = tl.arange(0, ROWS)
    # offsets within a tile fit 32 bits, where a tile begins may not
    x_left = X + left.to(tl.int64) * x_column
    x_right = X + right.to(tl.int64) * x_column
    y_left = Y + (left - n_features).to(tl.int64) * y_column
    y_right = Y + (right - n_features).to(tl.int64) * y_column
    for start in range(first, last, ROWS):
        at_x = tl.cast(start, tl.int64) * x_row
        at_y = tl.cast(start, tl.int64) * y_row
        a = _columns(
            x_left + at_x,
            y_left + at_y,
            shift,
            rows,
            columns,
            left,
            last - start,
            n_features,
            n_columns,
            x_row,
            x_column,
            y_row,
            y_column,
        )
        b = _columns(
            x_right + at_x,
            y_right + at_y,
            shift,
            rows,
            columns,
            right,
            last - start,
            n_features,
            n_columns,
            x_row,
            x_column,
            y_row,
            y_column,
        )
        inside = rows < last - start
        if WEIGHTED:
            at = weights + tl.cast(start, tl.int64) * weights_row + rows * weights_row
            w = tl.load(at, mask=inside, other=0.0).to(tl.float64)
        else:
            w = tl.where(inside, 1.0, 0.0).to(tl.float64)
        total = tl.dot(tl.trans(a), w[:, None] * b, total, out_dtype=tl.float64)
    tiles = tl.num_programs(0)
    place = products + (slab.to(tl.int64) * tiles + pair) * TILE * TILE
    tl.store(place + columns[:, None] * TILE + columns[None, :], total)
