"""The Triton kernels of the moments.

With A = [X − s | Y − t | 1], s and t near the columns' means, one product P = Aᵀ diag(w) A holds
Σw, Σw·d and Σw·d·dᵀ. Rows are read in their own dtype, shifted and multiplied in float64 on the
tensor cores, and accumulated in float64.

Read: each row once from memory; the tiles of a slab run next to one another, so that the second
cache serves the others. Operations: n (c + 1)(c + 1 + TILE) for c columns, by symmetry.
"""

import triton
import triton.language as tl

__all__ = ["finish_kernel", "products_kernel"]


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
    SINGLE: tl.constexpr,  # whether one tile holds all columns
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Compute one tile of P for one slab of rows."""
    pair = tl.program_id(0)
    slab = tl.program_id(1).to(tl.int64)
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
        if SINGLE:
            b = a
        else:
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
    place = products + (slab * tiles + pair) * TILE * TILE
    tl.store(place + columns[:, None] * TILE + columns[None, :], total)


@triton.jit
def _of_last(products, tile, side, last, columns, TILE: tl.constexpr):
    """Load the column `last` of the last tile beside a tile of columns: their sums."""
    pair = (tile + 1) * side - tile * (tile + 1) // 2 - 1
    return tl.load(products + (pair.to(tl.int64) * TILE + columns) * TILE + last)


@triton.jit
def finish_kernel(
    products,  # (tiles, TILE, TILE) float64: tile pairs i ≤ j of P
    shift,  # (n_columns,) float64
    pairs,  # (tiles, 2) int32
    found,  # (1 + n_columns + n_columns²,) float64: the weight, the means, the scatter matrix
    n_columns,
    TILE: tl.constexpr,
):
    """Write what one tile of P says, and what follows by symmetry.

    To be compiled with enable_fp_fusion=False: contraction would leave the result asymmetric.
    """
    pair = tl.program_id(0)
    i = tl.load(pairs + 2 * pair)
    j = tl.load(pairs + 2 * pair + 1)
    side = n_columns // TILE + 1
    last = n_columns % TILE
    columns = tl.arange(0, TILE)
    corner = (tl.num_programs(0) - 1).to(tl.int64) * TILE + last
    weight = tl.load(products + corner * TILE + last)
    divisor = tl.where(weight != 0, weight, 1.0)
    left = _of_last(products, i, side, last, columns, TILE)
    right = _of_last(products, j, side, last, columns, TILE)
    place = products + (pair.to(tl.int64) * TILE + columns[:, None]) * TILE + columns[None, :]
    tile = tl.load(place)
    if i == j:
        tile = 0.5 * (tile + tl.trans(tile))
    lost = left[:, None] * (right / divisor)[None, :] + (left / divisor)[:, None] * right[None, :]
    tile -= 0.5 * lost
    row, column = i * TILE + columns, j * TILE + columns
    scatter = found + 1 + n_columns
    inside = (row < n_columns)[:, None] & (column < n_columns)[None, :]
    r, c = row.to(tl.int64)[:, None], column.to(tl.int64)[None, :]
    tl.store(scatter + (r * n_columns + c), tile, mask=inside)
    tl.store(scatter + (c * n_columns + r), tile, mask=inside)
    if i == j:
        s = tl.load(shift + row, mask=row < n_columns, other=0.0)
        mean = tl.where(weight != 0, s + left / divisor, 0.0)
        tl.store(found + 1 + row, mean, mask=row < n_columns)
    if pair == 0:
        tl.store(found, weight)
