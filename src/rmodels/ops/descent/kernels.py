"""The Triton kernel of the streaming gradient.

Per block of rows: residuals r = (x − s)·β + (β₀ − y), then the sums of w·r·(x − s), w·r and ½·w·r²,
the rows being read a second time from the cache. Float64 throughout; each program adds to partial
sums of its own, in the order of its rows, so that results can be repeated.

Read: each row once from memory. Operations: 4 n (d + 1) per target.
"""

import triton
import triton.language as tl

__all__ = ["gradient_kernel"]


@triton.jit
def _tile(X, shift, rows, columns, n_rows, n_features, x_row, x_column, SHIFTED: tl.constexpr):
    """Load x − s in float64: (rows, columns), 0 outside."""
    mask = (rows < n_rows)[:, None] & (columns < n_features)[None, :]
    place = X + rows.to(tl.int64)[:, None] * x_row + columns.to(tl.int64)[None, :] * x_column
    x = tl.load(place, mask=mask, other=0.0).to(tl.float64)
    if SHIFTED:
        s = tl.load(shift + columns, mask=columns < n_features, other=0.0)
        x = tl.where(mask, x - s[None, :], 0.0)
    return x


@triton.jit
def gradient_kernel(
    X,  # (n_rows, n_features), any strides
    Y,  # (n_rows, n_targets), any strides
    weights,  # (n_rows,), any stride
    shift,  # (n_features,) float64
    coefficients,  # (n_features + 1, n_targets) float64
    sums,  # (programs, n_features + 3, n_targets) float64, zeros: slopes, Σwr, ½Σwr², Σw
    n_rows,
    n_features,
    n_targets,
    rows_per_program,
    x_row,
    x_column,
    y_row,
    y_column,
    weights_row,
    WEIGHTED: tl.constexpr,
    SHIFTED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    TARGETS: tl.constexpr,
):
    """Add up the gradient over the rows of one program, for one tile of targets."""
    program = tl.program_id(0).to(tl.int64)
    targets = tl.program_id(1) * TARGETS + tl.arange(0, TARGETS)
    real = targets < n_targets
    first = program * rows_per_program
    last = tl.minimum(first + rows_per_program, n_rows)
    mine = sums + program * (n_features + 3) * n_targets
    intercept = tl.load(coefficients + n_features * n_targets + targets, mask=real, other=0.0)
    slope = tl.zeros((TARGETS,), dtype=tl.float64)
    loss = tl.zeros((TARGETS,), dtype=tl.float64)
    weight = tl.zeros((TARGETS,), dtype=tl.float64)
    for start in range(first, last, ROWS):
        rows = start + tl.arange(0, ROWS)
        inside = rows < last
        y_place = Y + rows.to(tl.int64)[:, None] * y_row + targets.to(tl.int64)[None, :] * y_column
        y = tl.load(y_place, mask=inside[:, None] & real[None, :], other=0.0).to(tl.float64)
        r = tl.zeros((ROWS, TARGETS), dtype=tl.float64)
        for c in range(0, n_features, COLUMNS):
            columns = c + tl.arange(0, COLUMNS)
            x = _tile(X, shift, rows, columns, last, n_features, x_row, x_column, SHIFTED)
            b = tl.load(
                coefficients + columns[:, None] * n_targets + targets[None, :],
                mask=(columns < n_features)[:, None] & real[None, :],
                other=0.0,
            )
            r += tl.sum(x[:, :, None] * b[None, :, :], axis=1)
        r = r + (intercept[None, :] - y)
        if WEIGHTED:
            w = tl.load(weights + rows.to(tl.int64) * weights_row, mask=inside, other=0.0)
            w = w.to(tl.float64)
        else:
            w = tl.where(inside, 1.0, 0.0).to(tl.float64)
        wr = tl.where(inside[:, None], w[:, None] * r, 0.0)
        slope += tl.sum(wr, axis=0)
        loss += 0.5 * tl.sum(tl.where(inside[:, None], wr * r, 0.0), axis=0)
        weight += tl.sum(w, axis=0)
        tl.debug_barrier()  # what one thread stored in the step before, others read
        for c in range(0, n_features, COLUMNS):
            columns = c + tl.arange(0, COLUMNS)
            x = _tile(X, shift, rows, columns, last, n_features, x_row, x_column, SHIFTED)
            place = mine + columns[:, None] * n_targets + targets[None, :]
            mask = (columns < n_features)[:, None] & real[None, :]
            before = tl.load(place, mask=mask, other=0.0)
            tl.store(place, before + tl.sum(x[:, :, None] * wr[:, None, :], axis=0), mask=mask)
    tl.store(mine + n_features * n_targets + targets, slope, mask=real)
    tl.store(mine + (n_features + 1) * n_targets + targets, loss, mask=real)
    tl.store(mine + (n_features + 2) * n_targets + targets, weight, mask=real)
