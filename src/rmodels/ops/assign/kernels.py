"""Kernels of nearest centres, sums in fixed point and seeds, all in float64.

Squares are those that the operation defines: of each column the difference, its square and the sum
so far are rounded, each on its own. So all kernels are to be compiled with enable_fp_fusion=False.

For n rows, k centres and d columns:
- assign: 3 n k d operations; reads each row from memory once, and k / CENTRES times from cache.
- own_squares: 3 n d operations; reads n d values.
- sums: about 20 operations and up to 6 additions to memory for each value of a row that moves;
  reads 8 n bytes, and the rows that move.
- gains: as assign, of the candidates; writes 8 n bytes of each.
- seed: as own_squares; reads and writes up to 12 n bytes.
- potentials: reads 8 n bytes of each candidate, writes 8 n / SEED_ROWS.
"""

import triton
import triton.language as tl

__all__ = [
    "assign_kernel",
    "gains_kernel",
    "own_squares_kernel",
    "potentials_kernel",
    "seed_kernel",
    "sums_kernel",
]

_LIMB: tl.constexpr = tl.constexpr(2.0**30)
# Added to what is below 2^51 and taken off again, it rounds to integers, halves to even ones.
_ROUND: tl.constexpr = tl.constexpr(1.5 * 2.0**52)


@triton.jit
def _squares(
    rows,  # pointers to the first columns of X: (ROWS,)
    inside,
    centres,  # (n_features, n_centres) float64
    centre,  # their places: (CENTRES,)
    n_centres,
    n_features,
    column_stride,
    ROWS: tl.constexpr,
    CENTRES: tl.constexpr,
):
    """Return Σ_j (x_j − m_cj)² of rows and centres, a column after the other."""
    total = tl.zeros((ROWS, CENTRES), dtype=tl.float64)
    present = centre < n_centres
    for column in range(n_features):
        j = tl.cast(column, tl.int64)
        x = tl.load(rows + j * column_stride, mask=inside, other=0.0).to(tl.float64)
        m = tl.load(centres + j * n_centres + centre, mask=present, other=0.0)
        gap = x[:, None] - m[None, :]
        total += gap * gap
    return total


@triton.jit
def _squares_to_one(
    rows,  # pointers to the first columns of X: (ROWS,)
    inside,
    centre,  # pointers to the first columns of the centre of each: (ROWS,)
    n_features,
    column_stride,
    ROWS: tl.constexpr,
):
    """Return Σ_j (x_j − m_j)² of rows and a centre each, a column after the other."""
    total = tl.zeros((ROWS,), dtype=tl.float64)
    for column in range(n_features):
        j = tl.cast(column, tl.int64)
        x = tl.load(rows + j * column_stride, mask=inside, other=0.0).to(tl.float64)
        gap = x - tl.load(centre + j, mask=inside, other=0.0)
        total += gap * gap
    return total


@triton.jit
def assign_kernel(
    X,  # (n_rows, n_features), any dtype and strides
    centres,  # (n_features, n_centres) float64
    labels,  # (n_rows,) int32
    n_rows,
    n_centres,
    n_features,
    row_stride,
    column_stride,
    ROWS: tl.constexpr,
    CENTRES: tl.constexpr,
):
    """Find the centre with the least square, of equal ones the first, of ROWS rows."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = row < n_rows
    lane = tl.arange(0, CENTRES)
    best = tl.full((ROWS,), float("inf"), dtype=tl.float64)
    label = tl.zeros((ROWS,), dtype=tl.int32)
    for first in range(0, n_centres, CENTRES):
        centre = first + lane
        total = _squares(
            X + row * row_stride,
            inside,
            centres,
            centre,
            n_centres,
            n_features,
            column_stride,
            ROWS,
            CENTRES,
        )
        total = tl.where((centre < n_centres)[None, :], total, float("inf"))
        least, place = tl.min(total, axis=1, return_indices=True)
        nearer = least < best
        best = tl.where(nearer, least, best)
        label = tl.where(nearer, first + place, label)
    tl.store(labels + row, label, mask=inside)


@triton.jit
def own_squares_kernel(
    X,  # (n_rows, n_features), any dtype and strides
    centres,  # (n_centres, n_features) float64
    labels,  # (n_rows,) int32
    squares,  # (n_rows,) float64
    n_rows,
    n_features,
    row_stride,
    column_stride,
    ROWS: tl.constexpr,
):
    """Measure ROWS rows from the centres that their labels name."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = row < n_rows
    label = tl.load(labels + row, mask=inside, other=0).to(tl.int64)
    total = _squares_to_one(
        X + row * row_stride, inside, centres + label * n_features, n_features, column_stride, ROWS
    )
    tl.store(squares + row, total, mask=inside)


@triton.jit
def sums_kernel(
    X,  # (n_rows, n_features), any dtype and strides
    labels,  # (n_rows,) int32: where rows go
    previous,  # (n_rows,) int32: where they are; read if MOVED
    weights,  # (n_rows,) float32 or float64; read if WEIGHTED
    shift,  # (n_features,) float64
    factors,  # (n_features + 1,) float64
    limbs,  # (n_centres, 3, n_features + 1) int64: what is added
    n_rows,
    n_features,
    row_stride,
    column_stride,
    MOVED: tl.constexpr,
    WEIGHTED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Add the fixed-point limbs of ROWS rows and COLUMNS columns to a centre, and take them off."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1).to(tl.int64) * COLUMNS + tl.arange(0, COLUMNS)
    inside = row < n_rows
    to = tl.load(labels + row, mask=inside, other=-1)
    off = tl.full((ROWS,), -1, dtype=tl.int32)
    if MOVED:
        off = tl.load(previous + row, mask=inside, other=-1)
    moves = to != off
    if tl.max(moves.to(tl.int32), axis=0) > 0:
        real = column < n_features
        x = tl.load(
            X + row[:, None] * row_stride + column[None, :] * column_stride,
            mask=moves[:, None] & real[None, :],
            other=0.0,
        )
        w = tl.full((ROWS,), 1.0, dtype=tl.float64)
        if WEIGHTED:
            w = tl.load(weights + row, mask=inside, other=0.0).to(tl.float64)
        gap = x.to(tl.float64) - tl.load(shift + column, mask=real, other=0.0)[None, :]
        rest = tl.where(real[None, :], gap * w[:, None], w[:, None])  # last, the weight
        there = column <= n_features
        rest = rest * tl.load(factors + column, mask=there, other=0.0)[None, :]
        width = n_features + 1
        place = column[None, :]
        to_place = to.to(tl.int64)[:, None] * (3 * width) + place
        off_place = off.to(tl.int64)[:, None] * (3 * width) + place
        adds = (moves & (to >= 0))[:, None] & there[None, :]
        takes = (moves & (off >= 0))[:, None] & there[None, :]
        for limb in tl.static_range(3):
            rest = rest * _LIMB
            whole = (rest + _ROUND) - _ROUND
            rest = rest - whole
            part = whole.to(tl.int64)
            tl.atomic_add(limbs + to_place + limb * width, part, mask=adds, sem="relaxed")
            if MOVED:
                tl.atomic_add(limbs + off_place + limb * width, -part, mask=takes, sem="relaxed")


@triton.jit
def gains_kernel(
    X,  # (n_rows, n_features), any dtype and strides
    candidates,  # (n_features, n_candidates) float64
    closest,  # (n_rows,) float64
    gains,  # (n_candidates, n_rows) float64
    n_rows,
    n_candidates,
    n_features,
    row_stride,
    column_stride,
    ROWS: tl.constexpr,
    CANDIDATES: tl.constexpr,
):
    """Write by how much CANDIDATES candidates are nearer to ROWS rows than what is closest."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = row < n_rows
    candidate = tl.program_id(1) * CANDIDATES + tl.arange(0, CANDIDATES)
    total = _squares(
        X + row * row_stride,
        inside,
        candidates,
        candidate,
        n_candidates,
        n_features,
        column_stride,
        ROWS,
        CANDIDATES,
    )
    before = tl.load(closest + row, mask=inside, other=0.0)[:, None]
    gain = tl.where(total < before, before - total, 0.0)
    place = candidate.to(tl.int64)[None, :] * n_rows + row[:, None]
    tl.store(gains + place, gain, mask=inside[:, None] & (candidate < n_candidates)[None, :])


@triton.jit
def seed_kernel(
    X,  # (n_rows, n_features), any dtype and strides
    centre,  # (n_features,) float64
    closest,  # (n_rows,) float64
    nearest,  # (n_rows,) int32
    number,  # of the centre
    n_rows,
    n_features,
    row_stride,
    column_stride,
    ROWS: tl.constexpr,
):
    """Have those of ROWS rows that are nearer to a centre than to what is closest belong to it."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = row < n_rows
    there = centre + tl.zeros((ROWS,), dtype=tl.int64)
    total = _squares_to_one(X + row * row_stride, inside, there, n_features, column_stride, ROWS)
    nearer = inside & (total < tl.load(closest + row, mask=inside, other=0.0))
    tl.store(closest + row, total, mask=nearer)
    tl.store(nearest + row, tl.zeros((ROWS,), dtype=tl.int32) + number, mask=nearer)


@triton.jit
def potentials_kernel(
    values,  # (n_candidates, n_rows) float64
    weights,  # (n_rows,) float32 or float64; read if WEIGHTED
    potentials,  # (n_blocks, n_candidates) float64
    n_rows,
    n_blocks,
    n_candidates,
    n_steps,  # of eight rows, in a block
    WEIGHTED: tl.constexpr,
    SEED_ROWS: tl.constexpr,
    SUMS: tl.constexpr,
):
    """Sum w v of blocks of rows, SUMS at once: eight sums, and then their sum, each in order."""
    place = tl.program_id(0).to(tl.int64) * SUMS + tl.arange(0, SUMS)
    inside = place < n_candidates * n_blocks
    lane = tl.arange(0, 8)[None, :]
    first = (place // n_candidates)[:, None] * SEED_ROWS + lane
    start = (place % n_candidates)[:, None] * n_rows
    total = tl.zeros((SUMS, 8), dtype=tl.float64)
    for step in range(n_steps):
        row = first + step * 8
        real = inside[:, None] & (row < n_rows)
        value = tl.load(values + start + row, mask=real, other=0.0)
        if WEIGHTED:
            value = tl.load(weights + row, mask=real, other=0.0).to(tl.float64) * value
        total += value
    found = tl.zeros((SUMS,), dtype=tl.float64)
    for eighth in tl.static_range(8):  # of the others, zeros are added
        found += tl.sum(tl.where(lane == eighth, total, 0.0), axis=1)
    tl.store(potentials + place, found, mask=inside)
