"""The Triton kernels of the exact neighbour search.

Points are searched in groups of GROUP consecutive rows. For each query and group,
`product_bounds_kernel` (Euclidean, cosine: tensor cores, float16 products added in float32) or
`difference_bounds_kernel` (other metrics: float32) computes bounds of the distance of the group's
nearest point. `survivors_kernel` lists the groups that can hold one of the k nearest.
`distances_kernel` computes the distances of their points in float64, in the order and with the
roundings that the operation defines, and keeps those within the bound.

Packed points are arranged so that a tile holds one point of each of TILE groups: the minimum over a
group is then elementwise over GROUP tiles. Bounds are in units of the packed points.

For n points, q queries, d features, G = n / GROUP:
- product_bounds: 2 n q d operations; reads n · d · 2 bytes, writes 8 q G.
- difference_bounds: 3 to p + 2 operations for each of n q d.
- survivors: reads 8 q G bytes.
- distances: 3 · GROUP · d float64 operations and GROUP · d values read per survivor.
"""

import triton
import triton.language as tl

__all__ = [
    "difference_bounds_kernel",
    "distances_kernel",
    "normalise_kernel",
    "product_bounds_kernel",
    "square_root_kernel",
    "survivors_kernel",
]

# Relative rounding of the few float32 operations that turn a score into bounds, with square roots
# and powers as coarse as the hardware's approximations.
_SLACK: tl.constexpr = tl.constexpr(2.0**-16)


@triton.jit
def product_bounds_kernel(
    queries,  # (padded queries, FEATURES) float16: −2 q̂
    query_norms,  # (padded queries,) float32: at least ‖q̂‖
    query_squares,  # (padded queries,) float32: ‖q̂‖²
    query_errors,  # (padded queries,) float32: at least ‖q − q̂‖
    points,  # (blocks, GROUP, TILE, FEATURES) float16: x̂
    squares,  # (blocks, GROUP, TILE) float32: ‖x̂‖², infinite for padding
    group_norms,  # (padded groups,) float32: at least ‖x̂‖
    group_errors,  # (padded groups,) float32: at least ‖x − x̂‖
    low,  # (padded queries, padded groups) float32
    high,
    n_groups,
    padded_groups,
    query_tiles,
    accumulation,  # error of a score, relative to (‖x̂‖ + ‖q̂‖)²
    FEATURES: tl.constexpr,
    STEP: tl.constexpr,  # features of a product
    QUERIES: tl.constexpr,
    TILE: tl.constexpr,
    GROUP: tl.constexpr,
):
    """Bound the distance of the nearest point of each of TILE groups, for QUERIES queries."""
    program = tl.program_id(0)
    block = (program // query_tiles).to(tl.int64)
    rows = (program % query_tiles) * QUERIES + tl.arange(0, QUERIES)
    column = tl.arange(0, TILE)
    feature = tl.arange(0, STEP)
    q_place = queries + rows.to(tl.int64)[:, None] * FEATURES + feature[None, :]
    x_place = points + (block * GROUP * TILE + column)[None, :] * FEATURES + feature[:, None]
    s_place = squares + block * GROUP * TILE + column
    best = tl.full((QUERIES, TILE), float("inf"), dtype=tl.float32)
    if STEP == FEATURES:
        q = tl.load(q_place)
        for tile in range(GROUP):
            x = tl.load(x_place + tile * TILE * FEATURES)
            s = tl.load(s_place + tile * TILE)
            best = tl.minimum(best, tl.dot(q, x) + s[None, :])
    else:
        STEPS: tl.constexpr = FEATURES // STEP
        score = tl.zeros((QUERIES, TILE), dtype=tl.float32)
        for step in range(GROUP * STEPS):  # one loop, so that loads run ahead across tiles
            tile = step // STEPS
            first = step % STEPS * STEP
            q = tl.load(q_place + first)
            x = tl.load(x_place + tile * TILE * FEATURES + first)
            score = tl.dot(q, x, score)
            if step % STEPS == STEPS - 1:
                s = tl.load(s_place + tile * TILE)
                best = tl.minimum(best, score + s[None, :])
                score = tl.zeros((QUERIES, TILE), dtype=tl.float32)
    groups = block * TILE + column
    real = (groups < n_groups)[None, :]
    best = tl.where(real, best, 0.0)
    size = tl.load(query_norms + rows)[:, None] + tl.load(group_norms + groups)[None, :]
    error = accumulation * size * size
    shift = tl.load(query_errors + rows)[:, None] + tl.load(group_errors + groups)[None, :]
    square = best + tl.load(query_squares + rows)[:, None]
    above = tl.sqrt(tl.maximum(square + error, 0.0)) * (1 + _SLACK) + shift
    below = tl.sqrt(tl.maximum(square - error, 0.0)) * (1 - _SLACK) - shift
    place = rows.to(tl.int64)[:, None] * padded_groups + groups[None, :]
    tl.store(high + place, tl.where(real, above * (1 + _SLACK), float("inf")))
    tl.store(low + place, tl.where(real, below - tl.abs(below) * _SLACK, float("inf")))


@triton.jit
def _power(gap, P: tl.constexpr):
    """Return gap^P by repeated products."""
    result = gap
    for _ in tl.static_range(P - 1):
        result = result * gap
    return result


@triton.jit
def difference_bounds_kernel(
    queries,  # (features, padded queries) float32: q̂
    query_errors,  # (padded queries,) float32: at least ‖q − q̂‖ in the metric
    points,  # (blocks, GROUP, features, TILE) float32: x̂
    padding,  # (blocks, GROUP, TILE) float32: 0, infinite for padding
    group_errors,  # (padded groups,) float32: at least ‖x − x̂‖ in the metric
    low,  # (padded queries, padded groups) float32
    high,
    n_groups,
    padded_groups,
    padded_queries,
    query_tiles,
    features,
    relative,  # error of a computed distance
    P: tl.constexpr,  # the metric's exponent; 0 for the maximum
    QUERIES: tl.constexpr,
    TILE: tl.constexpr,
    GROUP: tl.constexpr,
):
    """Bound the distance of the nearest point of each of TILE groups, for QUERIES queries."""
    program = tl.program_id(0)
    block = (program // query_tiles).to(tl.int64)
    rows = (program % query_tiles) * QUERIES + tl.arange(0, QUERIES)
    column = tl.arange(0, TILE)
    best = tl.full((QUERIES, TILE), float("inf"), dtype=tl.float32)
    for tile in range(GROUP):
        place = block * GROUP + tile
        total = tl.zeros((QUERIES, TILE), dtype=tl.float32)
        for feature in range(features):
            q = tl.load(queries + tl.cast(feature, tl.int64) * padded_queries + rows)
            x = tl.load(points + (place * features + feature) * TILE + column)
            gap = tl.abs(q[:, None] - x[None, :])
            if P == 0:
                total = tl.maximum(total, gap)
            else:
                total += _power(gap, P)
        best = tl.minimum(best, total + tl.load(padding + place * TILE + column)[None, :])
    groups = block * TILE + column
    real = (groups < n_groups)[None, :]
    best = tl.where(real, best, 0.0)
    if P > 1:  # noqa: SIM108 (Triton compiles one of the two)
        # what is added to 0 is less than what δ grants to underflow
        root = tl.exp2(tl.log2(tl.maximum(best, 2.0**-126)) / P)
    else:
        root = best
    shift = tl.load(query_errors + rows)[:, None] + tl.load(group_errors + groups)[None, :]
    above = root * (1 + relative) * (1 + _SLACK) + shift
    # a sum that overflowed says nothing about how near the point may be
    root = tl.where(best == float("inf"), 0.0, root)
    below = root * (1 - relative) * (1 - _SLACK) - shift
    out = rows.to(tl.int64)[:, None] * padded_groups + groups[None, :]
    tl.store(high + out, tl.where(real, above * (1 + _SLACK), float("inf")))
    tl.store(low + out, tl.where(real, below - tl.abs(below) * _SLACK, float("inf")))


@triton.jit
def survivors_kernel(
    low,  # (queries, padded groups) float32
    high,
    reach,  # (queries,) float32: bound of the k-th distance; read if RADIUS, else written
    survivors,  # (queries, capacity) int32
    counts,  # (queries,) int32: survivors, even if more than the capacity
    n_queries,
    n_groups,
    padded_groups,
    capacity,
    k,
    ceiling,  # from here on, distances may overflow: all groups survive
    CLASSES: tl.constexpr,
    BLOCK: tl.constexpr,
    QUERIES: tl.constexpr,
    RADIUS: tl.constexpr,
):
    """List the groups, in ascending order, that can hold a point within reach of QUERIES queries.

    The k-th smallest of the minima of `high` over CLASSES classes of groups is at least the k-th
    smallest of all, and is found by bisection of its bits. Distinct classes hold distinct points.
    """
    query = tl.program_id(0).to(tl.int64) * QUERIES + tl.arange(0, QUERIES)
    asked = query < n_queries
    row = (query * padded_groups)[:, None]
    if RADIUS:
        limit = tl.load(reach + query, mask=asked, other=0.0)
    else:
        column = tl.arange(0, CLASSES)
        best = tl.full((QUERIES, CLASSES), float("inf"), dtype=tl.float32)
        for first in range(0, n_groups, CLASSES):
            groups = (first + column)[None, :]
            real = (groups < n_groups) & asked[:, None]
            best = tl.minimum(best, tl.load(high + row + groups, mask=real, other=float("inf")))
        bits = best.to(tl.int32, bitcast=True)  # in the order of the values, which are positive
        least = tl.zeros((QUERIES,), dtype=tl.int32)
        most = tl.full((QUERIES,), 0x7F800000, dtype=tl.int32)
        for _ in range(31):
            middle = least + (most - least) // 2
            enough = tl.sum((bits <= middle[:, None]).to(tl.int32), axis=1) >= k
            most = tl.where(enough, middle, most)
            least = tl.where(enough, least, middle + 1)
        limit = most.to(tl.float32, bitcast=True)
        tl.store(reach + query, limit, mask=asked)
    limit = tl.where(limit < ceiling, limit, float("inf"))
    count = tl.zeros((QUERIES,), dtype=tl.int32)
    column = tl.arange(0, BLOCK)
    out = survivors + (query * capacity)[:, None]
    for first in range(0, n_groups, BLOCK):
        groups = (first + column)[None, :]
        real = (groups < n_groups) & asked[:, None]
        bound = tl.load(low + row + groups, mask=real, other=float("inf"))
        chosen = (bound <= limit[:, None]) & real
        place = count[:, None] + tl.cumsum(chosen.to(tl.int32), axis=1) - 1
        tl.store(out + place, groups + 0 * place, mask=chosen & (place < capacity))
        count += tl.sum(chosen.to(tl.int32), axis=1)
    tl.store(counts + query, count, mask=asked)


@triton.jit
def distances_kernel(
    points,  # (groups, features, GROUP), the points' own dtype
    zeros,  # (groups · GROUP,) int8: rows without direction, read for COSINE
    queries,  # (queries, features), the queries' own dtype
    query_zeros,  # (queries,) int8
    survivors,  # (queries, list_row) int32
    counts,  # (queries,) int32: survivors of each query
    limits,  # (queries,) float64: largest sum that is kept
    starts,  # (queries,) int64: where a query's results begin
    room,  # (queries,) int64: how many there may be
    found,  # (queries,) int64: how many there are; those found here are added
    sums,  # float64: the metric's sum or maximum, before the root
    indices,  # int64
    n_queries,
    n_points,
    features,
    list_row,  # 0: all queries share a list
    P: tl.constexpr,  # the metric's exponent; 0 for the maximum
    COSINE: tl.constexpr,
    COUNT: tl.constexpr,  # only count
    GROUP: tl.constexpr,
    AT_ONCE: tl.constexpr,  # groups
    QUERIES: tl.constexpr,
):
    """Compute exact distances of QUERIES queries to the points of their groups; keep the near ones.

    Without contraction of products and sums: to be compiled with enable_fp_fusion=False.
    """
    query = tl.program_id(0).to(tl.int64) * QUERIES + tl.arange(0, QUERIES)
    asked = query < n_queries
    n_groups = tl.load(counts + query, mask=asked, other=0)
    limit = tl.load(limits + query, mask=asked, other=0.0)[:, None]
    start = tl.load(starts + query, mask=asked, other=0)[:, None]
    space = tl.load(room + query, mask=asked, other=0)[:, None]
    number = tl.load(found + query, mask=asked, other=0)
    lane = tl.arange(0, AT_ONCE * GROUP)
    for first in range(0, tl.max(n_groups, axis=0), AT_ONCE):
        slot = (first + lane // GROUP)[None, :]
        listed = slot < n_groups[:, None]
        group = tl.load(survivors + (query * list_row)[:, None] + slot, mask=listed, other=0)
        point = group.to(tl.int64) * GROUP + (lane % GROUP)[None, :]
        place = points + group.to(tl.int64) * GROUP * features + (lane % GROUP)[None, :]
        total = tl.zeros((QUERIES, AT_ONCE * GROUP), dtype=tl.float64)
        for feature in range(features):
            x = tl.load(place + feature * GROUP).to(tl.float64)
            q = tl.load(queries + query * features + feature, mask=asked, other=0.0)
            gap = tl.abs(q.to(tl.float64)[:, None] - x)
            if P == 0:
                total = tl.maximum(total, gap)
            else:
                total += _power(gap, P)
        if COSINE:
            nowhere = tl.load(query_zeros + query, mask=asked, other=0)[:, None]
            total = tl.where(nowhere + tl.load(zeros + point) > 0, 2.0, total)
        near = listed & (point < n_points) & (total <= limit)
        if not COUNT:
            position = number[:, None] + tl.cumsum(near.to(tl.int32), axis=1) - 1
            kept = near & (position < space)
            tl.store(sums + start + position, total, mask=kept)
            tl.store(indices + start + position, point, mask=kept)
        number += tl.sum(near.to(tl.int32), axis=1)
    tl.store(found + query, number, mask=asked)


@triton.jit
def normalise_kernel(
    rows,  # (n_rows, features), any dtype
    normalised,  # (n_rows, features) float64
    zeros,  # (n_rows,) int8: 1 for a row of zeros
    n_rows,
    features,
    ROWS: tl.constexpr,
):
    """Divide rows by their norms, in the order of `rmodels.ops.nearest.cosine.normalise`.

    To be compiled with enable_fp_fusion=False.
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = row < n_rows
    place = row.to(tl.int64) * features
    scale = tl.zeros((ROWS,), dtype=tl.float64)
    for feature in range(features):
        a = tl.load(rows + place + feature, mask=inside, other=0.0).to(tl.float64)
        scale = tl.maximum(scale, tl.abs(a))
    divisor = tl.where(scale > 0, scale, 1.0)
    squares = tl.zeros((ROWS,), dtype=tl.float64)
    for feature in range(features):
        a = tl.load(rows + place + feature, mask=inside, other=0.0).to(tl.float64) / divisor
        squares += a * a
    norm = tl.where(squares > 0, tl.sqrt(squares), 1.0)
    for feature in range(features):
        a = tl.load(rows + place + feature, mask=inside, other=0.0).to(tl.float64) / divisor
        tl.store(normalised + place + feature, a / norm, mask=inside)
    tl.store(zeros + row, (scale == 0).to(tl.int8), mask=inside)


@triton.jit
def square_root_kernel(squares, roots, n, BLOCK: tl.constexpr):
    """Take roots of float64, correctly rounded, which PyTorch's on a processor are not."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(
        roots + place, tl.sqrt(tl.load(squares + place, mask=place < n, other=0.0)), mask=place < n
    )
