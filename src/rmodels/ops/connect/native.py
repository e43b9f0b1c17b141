"""Components of core points by the compiled extension, some blocks of 64 points at a time."""

import math

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import get_config, thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.connect import Labels, Mask, Weights, is_exact
from rmodels.ops.nearest import Index, within
from rmodels.ops.nearest.native import FIRST_WORK, build

_SECONDS = 0.07  # what a chunk should last
_BLOCK = 64  # points
_FIRST = 256  # blocks of a first chunk that walks a tree


def connect(
    index: Index, radius: float, min_weight: float, weights: Weights | None, n_threads: int | None
) -> tuple[Mask, Labels]:
    """Count neighbours until they are enough, then join what the counts have not joined."""
    threads = n_threads or thread_count()
    extension = native.load()
    assert extension is not None
    exact = is_exact(weights)
    searched = build(index, n_threads)
    state = extension.Connection(searched, radius, min_weight, weights, exact)
    n = len(index.X)
    blocks, first = state.blocks, _FIRST
    if searched.algorithm != "tree":
        first = max(1, int(FIRST_WORK / (_BLOCK * n * (index.X.shape[1] + 4))))
    for part in chunks(blocks, first, "neighbourhoods", seconds=_SECONDS):
        state.count(part.start, part.stop, threads)
    if weights is not None and not exact:
        rows = state.doubtful()
        state.decide(_decide(index, radius, min_weight, weights, rows, threads))
    state.seed(threads)
    for part in chunks(blocks, first, "components", seconds=_SECONDS):
        state.join(part.start, part.stop, threads)
    core, labels = np.empty(n, dtype=bool), np.empty(n, dtype=np.int64)
    state.number(labels, core)
    for part in chunks(blocks, first, "labels", seconds=_SECONDS):
        state.label(part.start, part.stop, labels, threads)
    return core, labels


def _decide(
    index: Index,
    radius: float,
    min_weight: float,
    weights: Weights,
    rows: NDArray[np.int64],
    threads: int,
) -> Mask:
    """Return which points are core, by the exact sums of their neighbours' weights."""
    core = np.zeros(len(rows), dtype=bool)
    step = max(1, get_config()["memory_limit"] // (64 * len(index.X)))
    for first in range(0, len(rows), step):
        asked = rows[first : first + step]
        offsets, _, near = within(index, index.X[asked], radius, n_threads=threads)
        for i, row in enumerate(asked):
            mine = near[offsets[i] : offsets[i + 1]]
            total = math.fsum(weights[np.append(mine[mine != row], row)])
            core[first + i] = total >= min_weight
    return core
