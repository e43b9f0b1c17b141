"""Minimum spanning trees by the compiled extension: a round after the other, some blocks a time."""

import numpy as np

from rmodels import native
from rmodels.config import get_config, thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.nearest import Index
from rmodels.ops.nearest.native import FIRST_WORK, build, nearest
from rmodels.ops.span import Ends, Weights

_SECONDS = 0.07  # what a chunk should last
_BLOCK = 64  # points, at most
_FIRST = 64  # blocks of a first chunk that walks a tree
_NOTED = 10  # neighbours of a point that are kept
_HELD = 1 << 26  # bytes of neighbours that are looked at together, at most


def span(
    index: Index, k: int, alpha: float, n_threads: int | None
) -> tuple[Ends, Weights, Weights]:
    """Find neighbours and core distances, and join components by their least edges."""
    threads = n_threads or thread_count()
    extension = native.load()
    assert extension is not None
    n, d = index.X.shape
    noted = min(n, _NOTED)
    width = max(k, noted)
    searched = build(index, n_threads)
    state = extension.Spanning(searched, alpha, noted)
    core = np.zeros(n)
    step = max(1, min(_HELD, get_config()["memory_limit"]) // (16 * width))
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        distances, indices = nearest(index, index.X[rows], width, n_threads)
        if k > 1:
            core[rows] = distances[:, k - 1]
        state.note(first, distances, indices, core[rows])
    blocks = _FIRST
    if searched.algorithm != "tree":
        blocks = max(1, int(FIRST_WORK / (_BLOCK * n * (d + 4))))
    while state.components > 1:
        for part in chunks(state.begin(threads), blocks, "spanning tree", seconds=_SECONDS):
            state.search(part.start, part.stop, threads)
        state.join()
    ends, weights = np.empty((n - 1, 2), dtype=np.int64), np.empty(n - 1)
    state.finish(ends, weights)
    return ends, weights, core
