"""Moments on the GPU: see `kernels.py` for what is computed there."""

from functools import cache
from typing import Any

import numpy as np
import torch

from rmodels.ops import device
from rmodels.ops.moments import Gram, GroupMoments, Moments, Scatter
from rmodels.ops.moments.kernels import finish_kernel, products_kernel

# For at most so many columns, [X | Y]: side of a tile, rows of a step, warps. In float64, more rows
# would spill registers, and need more shared memory than some GPUs have.
_TILES = ((31, 32, 32, 4), (1 << 30, 64, 16, 8))
if device.is_interpreted():
    _TILES = ((80, 32, 512, 1), (1 << 30, 128, 512, 1))
_PROGRAMS = 2 if device.is_interpreted() else 132 * 4  # enough to fill the largest GPUs
_SAMPLE = 1024  # rows whose mean is the shift
BLOCK_BYTES = 1 << 28  # of rows that are copied at a time


@device.beside_its_data
def moments(X: Any, Y: Any, weights: Any, n_threads: int | None) -> Moments:
    """Add blocks of rows: one for data on the device, else as many as are copied."""
    n_samples, n_features = X.shape
    columns = n_features + Y.shape[1]
    where = device.device(X, Y, weights)
    step = n_samples
    if not (device.holds(X) and device.holds(Y)) or not all(map(_readable, (X, Y, weights))):
        step = max(1, BLOCK_BYTES // (8 * (columns + 1)))
    shift = _shift(X, Y, weights, where)
    tile = _tiles(columns, where)[0]
    pairs = _pairs(columns, where)
    total = torch.zeros((len(pairs), tile, tile), dtype=torch.float64, device=where)
    for _, (x, y, w) in device.stage([X, Y, weights], max(1, step), "moments", where):
        total += _products(_wide(x), _wide(y), _wide(w), shift, pairs)
    found = torch.empty(1 + columns + columns**2, dtype=torch.float64, device=where)
    finish_kernel[(len(pairs),)](
        total, shift, pairs, found, columns, TILE=tile, num_warps=8, enable_fp_fusion=False
    )
    found = device.like(found, X, Y, weights)
    return Moments(
        n_samples,
        n_features,
        float(n_samples if weights is None else found[0]),
        found[1 : 1 + columns],
        found[1 + columns :].reshape(columns, columns),
        "gpu",
    )


@device.beside_its_data
def group_moments(
    X: Any,
    Y: Any,
    groups: Any,
    n_groups: int,
    weights: Any,
    scatter: Scatter,
    n_threads: int | None,
) -> GroupMoments:
    """Add the rows of one group after the other, gathered where X is; the results on the host."""
    columns = X.shape[1] + Y.shape[1]
    shape = (columns, columns) if scatter == "pooled" else (n_groups, columns, columns)
    shape = (n_groups, columns) if scatter == "diagonal" else shape
    kept, weight, mean = np.zeros(shape), np.empty(n_groups), np.empty((n_groups, columns))
    count = np.empty(n_groups, dtype=np.int64)
    for group in range(n_groups):
        rows = groups == group
        found = moments(_select(X, rows), _select(Y, rows), _select(weights, rows), n_threads)
        count[group], weight[group] = found.n_samples, found.weight
        mean[group], M = (torch.as_tensor(A).cpu().numpy() for A in (found.mean, found.scatter))
        if scatter == "pooled":
            kept += M
        else:
            kept[group] = M.diagonal() if scatter == "diagonal" else M
    return GroupMoments(X.shape[1], count, weight, mean, kept, scatter, "gpu")


def _select(A: Any, rows: Any) -> Any:
    """Return the rows of an array or tensor where a mask, an array or tensor too, is true."""
    if A is None:
        return None
    mask = torch.as_tensor(rows)
    return A[mask.to(A.device)] if device.holds(A) else A[mask.cpu().numpy()]


@device.beside_its_data
def gram(X: Any, weights: Any, centre: bool, n_threads: int | None) -> Gram:
    """K = D Dᵀ in float64, with D = diag(√w)(X − μ)."""
    where = device.device(X, weights)
    D = device.upload(X, where).to(torch.float64, copy=True)
    w = torch.ones(len(D), dtype=torch.float64, device=where)
    if weights is not None:
        w = device.upload(weights, where).to(torch.float64)
    mean = torch.zeros(D.shape[1], dtype=torch.float64, device=where)
    weight = w.sum()
    if centre:
        for _ in range(3):  # each step removes what the rounding of the one before has left
            gap = torch.where(weight != 0, w @ D / weight, 0.0)
            D -= gap
            mean += gap
    D *= w.sqrt()[:, None]
    arrays = X, weights
    return Gram(device.like(mean, *arrays), device.like(D @ D.T, *arrays), "gpu")


def _readable(array: Any) -> bool:
    """Return whether the kernel reads an array as it is."""
    if array is None:
        return True
    if device.holds(array):
        # within a tile, offsets have 32 bits
        return array.itemsize >= 4 and max(array.stride()) < 1 << 24
    return array.itemsize >= 4


def _wide(array: Any) -> Any:
    """Return an array that the kernel reads: Triton 3.6 has no float64 dot of 16-bit values."""
    if _readable(array):
        return array
    return array.to(torch.float32 if array.itemsize < 4 else array.dtype).contiguous()


def _shift(X: Any, Y: Any, weights: Any, where: torch.device) -> torch.Tensor:
    """Return the mean of rows from everywhere, drawn by weight: (columns,) float64."""
    n_samples = len(X)
    if not n_samples:
        return torch.zeros(X.shape[1] + Y.shape[1], dtype=torch.float64, device=where)
    count = min(n_samples, _SAMPLE)
    rows: Any = slice(None, None, -(-n_samples // count))
    if weights is not None:
        # the rows at evenly spaced shares of the weight: none whose weight is 0
        reached = device.upload(weights, where).to(torch.float64).cumsum(0)
        shares = (torch.arange(count, device=where) + 0.5) / count * reached[-1]
        rows = torch.searchsorted(reached, shares).clamp(max=n_samples - 1)
    means = []
    for A in (X, Y):
        there = device.holds(A) or weights is None
        values = device.upload(A[rows if there else rows.cpu().numpy()], where)
        # about the first row, so that a column that does not vary has its value as mean
        first = values[0].to(torch.float64)
        means.append(first + (values - first).mean(dim=0))
    return torch.cat(means)


def _tiles(columns: int, where: torch.device) -> tuple[int, int, int]:
    """Return the side of a tile, the rows of a step and the warps for so many columns."""
    # Triton 3.6 takes larger products in float64 for those of Blackwell's tensor memory, and fails
    if device.capability(where)[0] == 10:
        columns = 0
    return next(row[1:] for row in _TILES if columns <= row[0])


@cache
def _pairs(columns: int, where: torch.device) -> torch.Tensor:
    """Return which tiles of columns each tile of P is of, i ≤ j: (tiles, 2)."""
    side = -(-(columns + 1) // _tiles(columns, where)[0])
    return torch.tensor(np.stack(np.triu_indices(side), axis=1), dtype=torch.int32, device=where)


def _products(
    X: Any, Y: Any, weights: Any, shift: torch.Tensor, pairs: torch.Tensor
) -> torch.Tensor:
    """Return the tiles of Aᵀ diag(w) A of one block of rows."""
    (n_rows, n_features), columns = X.shape, len(shift)
    tile, rows, warps = _tiles(columns, shift.device)
    slabs = max(1, min(_PROGRAMS // len(pairs) + 1, -(-n_rows // (4 * rows))))
    per_slab = -(-n_rows // (slabs * rows)) * rows
    slabs = max(1, -(-n_rows // per_slab))
    parts = torch.empty((slabs, len(pairs), tile, tile), dtype=torch.float64, device=shift.device)
    products_kernel[(len(pairs), slabs)](
        X,
        Y if Y.shape[1] else X,
        X if weights is None else weights,
        shift,
        parts,
        pairs,
        n_rows,
        n_features,
        columns,
        per_slab,
        *X.stride(),
        *Y.stride(),
        0 if weights is None else weights.stride(0),
        WEIGHTED=weights is not None,
        SINGLE=len(pairs) == 1,
        ROWS=rows,
        TILE=tile,
        num_warps=warps,
        enable_fp_fusion=True,
    )
    return parts.sum(dim=0)
