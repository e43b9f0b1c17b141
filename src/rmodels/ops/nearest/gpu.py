"""Exact nearest neighbours on the GPU: bounds of groups, survivors, exact distances.

See `kernels.py` for the passes and `packing.py` for what they read. Queries for which too many
groups survive, or metrics without bounds, are compared with every point, a slab of groups at a
time: slower, with the same results.
"""

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from rmodels.config import get_config
from rmodels.ops import device
from rmodels.ops.nearest import Index
from rmodels.ops.nearest.kernels import (
    difference_bounds_kernel,
    distances_kernel,
    product_bounds_kernel,
    square_root_kernel,
    survivors_kernel,
)
from rmodels.ops.nearest.packing import (
    GROUP,
    TILE,
    Metric,
    Points,
    normalise,
    pack,
    pack_queries,
    pad_features,
)
from rmodels.ops.nearest.reference import _root as root_on_cpu

Found = tuple[torch.Tensor, torch.Tensor]

# queries of a tile, warps, stages: (products, differences)
_PRODUCT = (16, 1, 1) if device.is_interpreted() else (128, 8, 3)
_DIFFERENCE = (16, 1, 1) if device.is_interpreted() else (64, 4, 1)
# queries that a program serves, and groups of which it computes distances together
_SERVED, _AT_ONCE = (16, 32) if device.is_interpreted() else (1, 4)
_SLAB = 32  # groups of a step of the exhaustive search
_CLASSES = (16, 1 << 15) if device.is_interpreted() else (256, 1 << 15)
_BLOCK = 32 if device.is_interpreted() else 1024  # groups that are looked at together
_ROOTS = 1024  # of which a program takes square roots
_SLACK = 2.0**-30  # more than float64 sums err, and than what roots make equal
_TINY = 2.0**-1070

_building = threading.Lock()


def accumulation_error(features: int) -> float:
    """Return a bound of the error of a score, relative to (‖x̂‖ + ‖q̂‖)².

    Products of float16 are exact in float32. Tensor cores add them in blocks, cut off below the
    last bit of the block's largest term, and so is the sum so far: for blocks of two or more
    products at most 2 · features terms lose less than 2⁻²³ of the largest each. What the norms and
    the last additions lose is in the 16.
    """
    return (features + 16) * 2.0**-22


@device.beside_its_data
def index(X: Any, metric: str, p: float, algorithm: str, n_threads: int | None) -> Index:
    """Pack the points on the device; there is no tree."""
    built = Index(X, metric, p, "brute", "gpu")
    _state(built)
    return built


def decide(index: Index, n_threads: int | None) -> str:
    """Return what the search does: there is no tree."""
    return "brute"


def _state(index: Index) -> Points | int:
    """Return the packed points or, if the device has no room for them, how many it has room for."""
    if index.state is None:
        with _building:
            if index.state is None:
                index.state = build(index)
    state: Points | int = index.state
    return state


def build(index: Index) -> Points | int:
    """Pack the points or, if the device has no room for them, return how many it has room for."""
    metric = Metric.of(index.metric, index.p)
    where = device.device(index.X)
    n, d = index.X.shape
    size = 8 if metric.cosine else index.X.itemsize
    packed = 2 * pad_features(d)[0] if metric.screening == "product" else 4 * d
    per_point = d * size + packed + 8
    fit = device.room(where) // (2 * per_point)
    if n <= fit:
        return pack(index.X, metric, where)
    return max(1, fit // (GROUP * TILE)) * GROUP * TILE


def _shards(index: Index) -> Iterator[tuple[int, Points]]:
    """Yield the first row and the points of each part that the device has room for."""
    state = _state(index)
    if isinstance(state, Points):
        yield 0, state
        return
    metric = Metric.of(index.metric, index.p)
    for first in range(0, len(index.X), state):
        yield first, pack(index.X[first : first + state], metric, device.device(index.X))


@device.beside_its_data
def nearest(index: Index, Q: Any, k: int, n_threads: int | None) -> tuple[Any, Any]:
    """Search a block of queries at a time."""
    metric = Metric.of(index.metric, index.p)
    where = device.device(index.X, Q)
    home = where if device.holds(Q) else torch.device("cpu")
    distances = torch.empty((len(Q), k), dtype=torch.float64, device=home)
    indices = torch.empty((len(Q), k), dtype=torch.int64, device=home)
    seen = 0
    for first, points in _shards(index):
        count = min(k, points.n)
        step = count_queries(points, metric, k, where)
        for rows, (block,) in device.stage([Q], step, "nearest", where):
            found = _nearest(points, metric, block, count)
            found = found[0], found[1] + first
            if seen:
                before = distances[rows, : min(k, seen)], indices[rows, : min(k, seen)]
                found = _merge(tuple(part.to(where) for part in before), found, k)
            width = found[0].shape[1]
            distances[rows, :width] = found[0].to(home)
            indices[rows, :width] = found[1].to(home)
        seen += points.n
    return device.like(distances, Q), device.like(indices, Q)


@device.beside_its_data
def within(index: Index, Q: Any, radius: float, n_threads: int | None) -> tuple[Any, Any, Any]:
    """Search a block of queries at a time."""
    metric = Metric.of(index.metric, index.p)
    where = device.device(index.X, Q)
    home = where if device.holds(Q) else torch.device("cpu")
    parts: list[tuple[torch.Tensor, ...]] = [
        (
            torch.empty(0, dtype=torch.int64, device=home),
            torch.empty(0, dtype=torch.float64, device=home),
            torch.empty(0, dtype=torch.int64, device=home),
        )
    ]
    for first, points in _shards(index):
        step = count_queries(points, metric, 1, where)
        for rows, (block,) in device.stage([Q], step, "within", where):
            counts, distances, indices = _within(points, metric, block, radius)
            query = torch.repeat_interleave(torch.arange(len(block), device=where), counts)
            parts.append(
                (
                    (query + rows.start).to(home),
                    distances.to(home),
                    (indices + first).to(home),
                )
            )
    query, distances, indices = (torch.cat(columns) for columns in zip(*parts, strict=True))
    order = torch.sort(distances, stable=True).indices  # the indices are in order already
    order = order[torch.sort(query[order], stable=True).indices]
    query, distances, indices = query[order], distances[order], indices[order]
    offsets = torch.zeros(len(Q) + 1, dtype=torch.int64, device=home)
    offsets[1:] = torch.bincount(query, minlength=len(Q)).cumsum(0)
    return device.like(offsets, Q), device.like(distances, Q), device.like(indices, Q)


def count_queries(points: Points, metric: Metric, k: int, where: torch.device) -> int:
    """Return how many queries' bounds and candidates keep the memory limit."""
    tiles = -(-points.n_groups // TILE) * TILE
    per_query = 12 * tiles + 48 * count_candidates(k)
    if metric.power is None:
        per_query = 40 * (_SLAB * GROUP + k)
    limit = min(get_config()["memory_limit"], device.room(where))
    tile = _PRODUCT[0]
    return max(1, limit // per_query // tile) * tile


def count_candidates(k: int) -> int:
    """Return for how many candidates of a query there is room."""
    return 16 * k + (64 if device.is_interpreted() else 1024)


def _merge(before: tuple[torch.Tensor, ...], after: Found, k: int) -> Found:
    """Return the first k of two lists, each in the order of (distance, index), lower ones first."""
    distances = torch.cat([before[0], after[0]], dim=1)
    indices = torch.cat([before[1], after[1]], dim=1)
    distances, order = torch.sort(distances, dim=1, stable=True)
    return distances[:, :k], indices.gather(1, order[:, :k])


def _exact_queries(block: torch.Tensor, metric: Metric) -> Found:
    """Return queries as exact distances need them, and which have no direction."""
    if metric.cosine:
        return normalise(block)
    return block.contiguous(), torch.zeros(1, dtype=torch.int8, device=block.device)


def _nearest(points: Points, metric: Metric, block: torch.Tensor, k: int) -> Found:
    """Return the k nearest of a block of queries, in the order of (distance, index)."""
    Q, zeros = _exact_queries(block, metric)
    n_queries = len(Q)
    if metric.power is None:
        return _by_powers(points, metric, Q, k)
    if not points.screened:
        return search_exhaustively(points, metric, Q, zeros, k)
    low, high = _bounds(points, metric, Q, zeros)
    capacity = min(points.n_groups, points.n_groups // 4 + 4 * k + 64)
    survivors, counts, reach = _survivors(points, metric, low, high, n_queries, k, capacity)
    space = count_candidates(k)
    sums = torch.empty((n_queries, space), dtype=torch.float64, device=Q.device)
    indices = torch.empty((n_queries, space), dtype=torch.int64, device=Q.device)
    starts = torch.arange(n_queries, device=Q.device) * space
    room = torch.full_like(starts, space)
    found = torch.zeros_like(starts)
    many = counts > capacity
    _distances(
        points,
        metric,
        (Q, zeros),
        (survivors, torch.where(many, 0, counts), capacity),
        _largest_sum(points, metric, reach, Q.shape[1]),
        (starts, room, found, sums, indices),
    )
    many |= found > space
    width = min(space, max(k, int(found.max()) if n_queries else 0))
    distances, order = _sort(sums[:, :width], found, metric)
    result = distances[:, :k], indices.gather(1, order[:, :k])
    rest = torch.nonzero(many).flatten()
    if len(rest):
        ends = zeros[rest] if metric.cosine else zeros
        for rows in rest.split(max(1, n_queries)):
            again = search_exhaustively(points, metric, Q[rows], ends, k)
            result[0][rows], result[1][rows] = again
    return result


def _within(
    points: Points, metric: Metric, block: torch.Tensor, radius: float
) -> tuple[torch.Tensor, ...]:
    """Return counts, and distances and indices by (query, index)."""
    Q, zeros = _exact_queries(block, metric)
    if metric.power is None:
        return _within_by_powers(points, metric, Q, radius)
    n_queries = len(Q)
    limits = torch.full((n_queries,), _sum_at(radius, metric), dtype=torch.float64, device=Q.device)
    groups = points.n_groups
    if points.screened:
        low, high = _bounds(points, metric, Q, zeros)
        reach = math.sqrt(2 * radius) if metric.cosine else radius
        scaled = min(reach * (1 + 2.0**-20) * 2.0**points.exponent, 3e38)
        limit = torch.full((n_queries,), scaled, dtype=torch.float32, device=Q.device)
        if math.isinf(radius):
            limit.fill_(math.inf)
        survivors, counts, _ = _survivors(
            points, metric, low, high, n_queries, 0, groups, radius=limit
        )
        listed = survivors, counts, groups
    else:
        everything = torch.arange(groups, dtype=torch.int32, device=Q.device)
        full = torch.full((n_queries,), groups, dtype=torch.int32, device=Q.device)
        listed = everything, full, 0
    nowhere = torch.zeros(n_queries, dtype=torch.int64, device=Q.device)
    counted = torch.zeros_like(nowhere)
    no_sums = torch.empty(0, dtype=torch.float64, device=Q.device)
    no_indices = torch.empty(0, dtype=torch.int64, device=Q.device)
    into = (nowhere, nowhere, counted, no_sums, no_indices)
    _distances(points, metric, (Q, zeros), listed, limits, into, count=True)
    starts = counted.cumsum(0) - counted
    total = int(counted.sum())
    sums = torch.empty(total, dtype=torch.float64, device=Q.device)
    indices = torch.empty(total, dtype=torch.int64, device=Q.device)
    again = torch.zeros_like(counted)
    into = (starts, counted, again, sums, indices)
    _distances(points, metric, (Q, zeros), listed, limits, into)
    return counted, _root(sums, metric), indices


def _bounds(points: Points, metric: Metric, Q: torch.Tensor, zeros: torch.Tensor) -> Found:
    """Return bounds of the nearest distance in each group: (padded queries, padded groups)."""
    product = metric.screening == "product"
    tile, warps, stages = _PRODUCT if product else _DIFFERENCE
    packed = pack_queries(Q, points, metric, tile)
    if metric.cosine:
        packed.errors[: len(Q)][zeros > 0] = math.inf
    size, blocks = len(packed.errors), len(points.squares)
    low = torch.empty((size, blocks * TILE), dtype=torch.float32, device=Q.device)
    high = torch.empty_like(low)
    grid = (blocks * (size // tile),)
    if product:
        features, step = pad_features(Q.shape[1])
        product_bounds_kernel[grid](
            packed.packed,
            packed.norms,
            packed.squares,
            packed.errors,
            points.packed,
            points.squares,
            points.norms,
            points.errors,
            low,
            high,
            points.n_groups,
            blocks * TILE,
            size // tile,
            accumulation_error(features),
            FEATURES=features,
            STEP=step,
            QUERIES=tile,
            TILE=TILE,
            GROUP=GROUP,
            num_warps=warps,
            num_stages=stages,
            enable_fp_fusion=True,
        )
        return low, high
    power = metric.power or 0
    difference_bounds_kernel[grid](
        packed.packed,
        packed.errors,
        points.packed,
        points.squares,
        points.errors,
        low,
        high,
        points.n_groups,
        blocks * TILE,
        size,
        size // tile,
        Q.shape[1],
        (Q.shape[1] + 2 * power + 8) * 2.0**-23,
        P=power,
        QUERIES=tile,
        TILE=TILE,
        GROUP=GROUP,
        num_warps=warps,
        num_stages=stages,
        enable_fp_fusion=True,
    )
    return low, high


def _survivors(
    points: Points,
    metric: Metric,
    low: torch.Tensor,
    high: torch.Tensor,
    n_queries: int,
    k: int,
    capacity: int,
    radius: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the surviving groups and their number, and bounds of the k-th distances."""
    where = low.device
    least, most = _CLASSES
    groups = 1 << max(0, points.n_groups - 1).bit_length()
    classes = min(most, max(least, min(groups, 1 << (16 * k).bit_length())))
    reach = torch.empty(n_queries, device=where) if radius is None else radius
    survivors = torch.empty((n_queries, capacity), dtype=torch.int32, device=where)
    counts = torch.empty(n_queries, dtype=torch.int32, device=where)
    power = max(1, metric.power or 1)
    # a number of float32, which is what compiled kernels take
    ceiling = math.floor(min(1000 / power + points.exponent, 126))
    survivors_kernel[(-(-n_queries // _SERVED),)](
        low,
        high,
        reach,
        survivors,
        counts,
        n_queries,
        points.n_groups,
        low.shape[1],
        capacity,
        k,
        2.0**ceiling if ceiling >= -126 else 0.0,
        CLASSES=classes,
        BLOCK=_BLOCK,
        QUERIES=_SERVED,
        RADIUS=radius is not None,
        num_warps=4 if classes <= 2048 else 16,
        enable_fp_fusion=True,
    )
    return survivors, counts, reach


def _largest_sum(
    points: Points, metric: Metric, reach: torch.Tensor, n_features: int
) -> torch.Tensor:
    """Return sums that no point within reach exceeds, however its sum was rounded."""
    distance = reach.to(torch.float64) * 2.0**-points.exponent
    power = max(1, metric.power or 1)
    sums = distance**power * (1 + _SLACK) + max(1, n_features) * _TINY
    return torch.where(distance * 0.999 < 2.0 ** (1000 / power), sums, math.inf)


def _distances(
    points: Points,
    metric: Metric,
    queries: Found,
    listed: tuple[torch.Tensor, torch.Tensor, int],
    limits: torch.Tensor,
    into: tuple[torch.Tensor, ...],
    count: bool = False,
) -> None:
    """Compute exact distances to the points of the listed groups."""
    Q, zeros = queries
    if not len(Q):
        return
    survivors, counts, list_row = listed
    distances_kernel[(-(-len(Q) // _SERVED),)](
        points.exact,
        points.zeros,
        Q,
        zeros,
        survivors,
        counts,
        limits,
        *into,
        len(Q),
        points.n,
        Q.shape[1],
        list_row,
        P=metric.power,
        COSINE=metric.cosine,
        COUNT=count,
        GROUP=GROUP,
        AT_ONCE=_AT_ONCE,
        QUERIES=_SERVED,
        num_warps=4,
        enable_fp_fusion=False,
    )


def _sort(sums: torch.Tensor, found: torch.Tensor, metric: Metric) -> Found:
    """Return distances in ascending order and where they were; beyond `found` there are none."""
    missing = torch.arange(sums.shape[1], device=sums.device) >= found[:, None]
    distances = _root(torch.where(missing, math.inf, sums), metric)
    ordered: Found = torch.sort(distances, dim=1, stable=True)
    return ordered


def search_exhaustively(
    points: Points, metric: Metric, Q: torch.Tensor, zeros: torch.Tensor, k: int
) -> Found:
    """Return the k nearest by comparing each query with every point, a slab at a time.

    The first k so far stand before the slab's candidates, which are in the order of their index, so
    that a stable sort by distance is in the order of (distance, index).
    """
    where = Q.device
    width = k + _SLAB * GROUP
    per_block = max(1, get_config()["memory_limit"] // (48 * width))
    if len(Q) > per_block:
        blocks = [
            search_exhaustively(points, metric, Q[i], zeros[i] if metric.cosine else zeros, k)
            for i in torch.arange(len(Q), device=where).split(per_block)
        ]
        return torch.cat([d for d, _ in blocks]), torch.cat([i for _, i in blocks])
    sums = torch.empty((len(Q), width), dtype=torch.float64, device=where)
    indices = torch.zeros((len(Q), width), dtype=torch.int64, device=where)
    starts = torch.arange(len(Q), device=where) * width
    room = torch.full_like(starts, width)
    found = torch.zeros_like(starts)
    limits = torch.full((len(Q),), math.inf, dtype=torch.float64, device=where)
    distances = sums
    for first in range(0, points.n_groups, _SLAB):
        last = min(first + _SLAB, points.n_groups)
        groups = torch.arange(first, last, dtype=torch.int32, device=where)
        counts = torch.full((len(Q),), last - first, dtype=torch.int32, device=where)
        into = (starts, room, found, sums, indices)
        _distances(points, metric, (Q, zeros), (groups, counts, 0), limits, into)
        distances, order = _sort(sums, found, metric)
        order = order[:, :k]
        sums[:, :k], indices[:, :k] = sums.gather(1, order), indices.gather(1, order)
        found.clamp_(max=k)
        if last * GROUP >= k:
            limits = sums[:, k - 1] * (1 + _SLACK) + _TINY
    return distances[:, :k].clone(), indices[:, :k].clone()


def _slabs_by_powers(
    points: Points, metric: Metric, Q: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield distances of each query to a slab of points, by `pow`, and the points."""
    for first in range(0, points.n_groups, _SLAB):
        groups = points.exact[first : first + _SLAB].to(torch.float64)
        last = min((first + len(groups)) * GROUP, points.n)
        point = torch.arange(first * GROUP, last, device=Q.device)
        total = torch.zeros((len(Q), len(point)), dtype=torch.float64, device=Q.device)
        for feature, q in enumerate(Q.to(torch.float64).T):
            x = groups[:, feature].reshape(-1)[: len(point)]
            total += (q[:, None] - x).abs() ** metric.p
        yield total ** (1 / metric.p), point


def _by_powers(points: Points, metric: Metric, Q: torch.Tensor, k: int) -> Found:
    """Return the k nearest for an exponent that is not a small integer."""
    best: Found | None = None
    for distances, point in _slabs_by_powers(points, metric, Q):
        slab = distances, point.expand(distances.shape)
        empty = tuple(part[:, :0] for part in slab)
        best = _merge(empty if best is None else best, slab, k)
    assert best is not None  # an index has points
    return best


def _within_by_powers(
    points: Points, metric: Metric, Q: torch.Tensor, radius: float
) -> tuple[torch.Tensor, ...]:
    """Return counts, distances and indices for an exponent that is not a small integer."""
    queries, parts, indices = [], [], []
    for distances, point in _slabs_by_powers(points, metric, Q):
        query, column = torch.nonzero(distances <= radius, as_tuple=True)
        queries.append(query)
        parts.append(distances[query, column])
        indices.append(point[column])
    query = torch.cat(queries)
    order = torch.sort(query, stable=True).indices
    counts = torch.bincount(query, minlength=len(Q))
    return counts, torch.cat(parts)[order], torch.cat(indices)[order]


def _root(sums: torch.Tensor, metric: Metric) -> torch.Tensor:
    """Return distances; see `reference.py`, of which this is the same arithmetic."""
    power = metric.power
    if metric.cosine:
        return 0.5 * sums
    if power in (0, 1):
        return sums
    if power == 2:
        sums = sums.contiguous()
        roots = torch.empty_like(sums)
        if sums.numel():
            square_root_kernel[(-(-sums.numel() // _ROOTS),)](
                sums, roots, sums.numel(), BLOCK=_ROOTS, num_warps=4, enable_fp_fusion=False
            )
        return roots
    assert power is not None  # other exponents do not get here
    inside = (sums > 0) & (sums < math.inf)
    scaled, exponent = torch.frexp(torch.where(inside, sums, 1.0))
    above = (exponent - 1) % power + 1
    powers = torch.tensor(
        [2.0**i for i in range(power + 1)], dtype=torch.float64, device=sums.device
    )
    scaled = scaled * powers[above]
    root = scaled ** (1 / power)
    while (high := _power(root, power) >= scaled).any():
        root = torch.where(high, torch.nextafter(root, torch.zeros_like(root)), root)
    while (low := _power(root, power) < scaled).any():
        root = torch.where(low, torch.nextafter(root, torch.full_like(root, 4.0)), root)
    shift = torch.div(exponent - above, power, rounding_mode="floor").to(torch.int64)
    two = ((shift + 1023) << 52).view(torch.float64)
    return torch.where(inside, root * two, sums)


def _power(values: torch.Tensor, power: int) -> torch.Tensor:
    result = values
    for _ in range(power - 1):
        result = result * values
    return result


def _sum_at(radius: float, metric: Metric) -> float:
    """Return the largest float64 sum whose distance is at most the radius."""
    if math.isinf(radius):
        return math.inf
    if metric.power in (0, 1):
        return radius
    least, most = 0, int(np.float64(math.inf).view(np.int64)) - 1
    while least < most:
        middle = (least + most + 1) // 2
        value = np.int64(middle).view(np.float64)
        there = 0.5 * value if metric.cosine else root_on_cpu(np.array([value]), metric.p)[0]
        if there <= radius:
            least = middle
        else:
            most = middle - 1
    return float(np.int64(least).view(np.float64))
