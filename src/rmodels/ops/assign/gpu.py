"""Nearest centres, their sums and seeds on the GPU: see `kernels.py` for what is computed there.

What there is of each row stays where X is. What there is of each centre, column or block of rows,
the limbs of sums too, is on the host: a call copies it once.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rmodels.ops import device
from rmodels.ops.assign import (
    SEED_ROWS,
    Assignment,
    Gains,
    Matrix,
    Places,
    Seeding,
    Sums,
)
from rmodels.ops.assign.kernels import (
    assign_kernel,
    gains_kernel,
    own_squares_kernel,
    potentials_kernel,
    seed_kernel,
    sums_kernel,
)

BLOCK_BYTES = 1 << 28  # of rows that are copied at a time, or of gains that are held
# Rows and centres of a tile, rows and columns of one that is added, rows alone, sums of blocks.
_TILE, _ADDED, _ROWS, _SUMS = (64, 32), (32, 32), 128, 16
if device.is_interpreted():
    _TILE, _ADDED, _ROWS, _SUMS = (2048, 64), (2048, 32), 4096, 256
_OPTIONS = {"num_warps": 1 if device.is_interpreted() else 4, "enable_fp_fusion": False}


@device.beside_its_data
def assign(X: Any, centres: Matrix, known: Assignment | None, n_threads: int | None) -> Any:
    """Measure all centres; what is known is not used."""
    where = device.device(X)
    (across,) = _upload(where, centres.T)
    found = torch.empty(len(X), dtype=torch.int32, device=where)
    for rows, (x,) in device.stage([X], _step(X), "assignment", where):
        _assign(x, across, found[rows])
    labels = device.like(found, X)
    if known is not None:
        known.labels = labels
    return labels


@device.beside_its_data
def add_sums(
    sums: Sums, X: Any, labels: Any, weights: Any, previous: Any, n_threads: int | None
) -> None:
    """Add what the rows add on the device to the limbs."""
    where = device.device(X)
    adder, parts = _Adder(sums, where), [X, labels, weights, previous]
    for _, (x, to, w, off) in device.stage(parts, _step(X), "sums", where):
        adder.add(x, to, w, off)
    adder.finish()


@device.beside_its_data
def reassign(
    sums: Sums,
    X: Any,
    centres: Matrix,
    known: Assignment,
    weights: Any,
    squares: Any,
    n_threads: int | None,
) -> None:
    """Assign, measure and move the rows of a block while they are in cache."""
    where = device.device(X)
    adder = _Adder(sums, where, centres)
    found = torch.empty(len(X), dtype=torch.int32, device=where)
    parts = [X, known.labels, weights, squares]
    for rows, (x, off, w, about) in device.stage(parts, _step(X), "assignment", where):
        _assign(x, adder.across, found[rows])
        adder.add(x, found[rows], w, off)
        if about is not None:
            _measure(x, adder.shift, torch.zeros_like(found[rows]), about)
            _put(about, squares, rows)
    adder.finish()
    known.labels = device.like(found, X)


def read_sums(sums: Sums, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Read them where they are."""
    return sums.weights(), sums.totals()


@device.beside_its_data
def find_range(X: Any, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Find both by PyTorch, whose least and largest are NaN where a value is."""
    d, where = X.shape[1], device.device(X)
    low = torch.full((d,), np.inf, dtype=torch.float64, device=where)
    high = -low
    for _, (x,) in device.stage([X], _step(X), "range", where):
        if d:
            least, most = torch.aminmax(x, dim=0)
            low, high = torch.minimum(low, least), torch.maximum(high, most)
    low, high = torch.stack([low, high]).cpu().numpy()
    if len(X) and not (np.isfinite(low).all() and np.isfinite(high).all()):
        return np.full(d, np.nan), np.full(d, np.nan)
    return low, high


@device.beside_its_data
def own_squares(X: Any, centres: Matrix, labels: Any, n_threads: int | None) -> Any:
    """Measure a row by a thread."""
    where = device.device(X)
    (m,) = _upload(where, centres)
    found = torch.empty(len(X), dtype=torch.float64, device=where)
    for rows, (x, label) in device.stage([X, labels], _step(X), "squares", where):
        _measure(x, m, label, found[rows])
    return device.like(found, X)


@device.beside_its_data
def find_farthest(
    X: Any, centres: Matrix, known: Assignment, count: int, n_threads: int | None
) -> tuple[Places, Matrix]:
    """Measure and sort all."""
    squares = device.upload(own_squares(X, centres, known.labels, n_threads), device.device(X))
    found, places = squares.sort(descending=True, stable=True)
    return places[:count].cpu().numpy(), found[:count].cpu().numpy()


@device.beside_its_data
def find_gains(state: Seeding, candidates: Matrix, n_threads: int | None) -> Matrix:
    """Write the gain of each row, then sum those of blocks."""
    where, count = device.device(state.X), len(candidates)
    (across,) = _upload(where, candidates.T)
    found = torch.empty((len(state.potentials), count), dtype=torch.float64, device=where)
    rows_of_tile, most = _TILE
    tile = min(most, 1 << max(1, count - 1).bit_length())
    parts = [state.X, state.weights, state.closest]
    for rows, (x, w, closest) in device.stage(parts, _seed_step(state.X, count), "seeds", where):
        gains = torch.empty((count, len(x)), dtype=torch.float64, device=where)
        gains_kernel[(_tiles(len(x), rows_of_tile), _tiles(count, tile))](
            x,
            across,
            closest,
            gains,
            len(x),
            count,
            x.shape[1],
            *x.stride(),
            ROWS=rows_of_tile,
            CANDIDATES=tile,
            **_OPTIONS,
        )
        _sum_blocks(gains, w, found[_blocks(rows)])
    return found.cpu().numpy()


def estimate_gains(state: Seeding, candidates: Matrix, n_threads: int | None) -> Gains:
    """Find them."""
    return Gains.of(find_gains(state, candidates, n_threads))


@device.beside_its_data
def add_centre(
    state: Seeding, centre: Matrix, gains: Gains | None, candidate: int, n_threads: int | None
) -> None:
    """Measure all rows, then sum blocks."""
    where = device.device(state.X)
    (m,) = _upload(where, centre)
    found = torch.empty((len(state.potentials), 1), dtype=torch.float64, device=where)
    parts = [state.X, state.weights, state.closest, state.nearest]
    step = _seed_step(state.X, 1)
    for rows, (x, w, closest, nearest) in device.stage(parts, step, "seeds", where):
        seed_kernel[(_tiles(len(x), _ROWS),)](
            x,
            m,
            closest,
            nearest,
            len(state.centres),
            *x.shape,
            *x.stride(),
            ROWS=_ROWS,
            **_OPTIONS,
        )
        _sum_blocks(closest[None], w, found[_blocks(rows)])
        _put(closest, state.closest, rows)
        _put(nearest, state.nearest, rows)
    state.potentials[:] = found[:, 0].cpu().numpy()


def take_steps(state: Seeding, numbers: Matrix, n_threads: int | None) -> Places:
    """Take none: rows are drawn on the host."""
    return np.empty(0, dtype=np.int64)


class _Adder:
    """Limbs on the device that are to be added to sums, and centres that come along."""

    def __init__(self, sums: Sums, where: torch.device, centres: Matrix | None = None) -> None:
        self._sums = sums
        others = sums.shift[:0] if centres is None else centres.T
        self.shift, self._factors, self.across = _upload(where, sums.shift, sums.factors, others)
        self._limbs = torch.zeros(sums.limbs.shape, dtype=torch.int64, device=where)

    def add(self, x: Any, to: Any, weights: Any, off: Any) -> None:
        """Add the limbs of rows to centres, and take them off others."""
        rows, columns = _ADDED
        sums_kernel[(_tiles(len(x), rows), _tiles(x.shape[1] + 1, columns))](
            x,
            to.contiguous(),
            to if off is None else off.contiguous(),
            x if weights is None else weights.contiguous(),
            self.shift,
            self._factors,
            self._limbs,
            *x.shape,
            *x.stride(),
            MOVED=off is not None,
            WEIGHTED=weights is not None,
            ROWS=rows,
            COLUMNS=columns,
            **_OPTIONS,
        )

    def finish(self) -> None:
        """Add them."""
        found = replace(self._sums, limbs=self._limbs.cpu().numpy())
        self._sums.limbs[:] = (self._sums + found).limbs


def _assign(x: Any, across: Any, labels: Any) -> None:
    rows, centres = _TILE
    assign_kernel[(_tiles(len(x), rows),)](
        x,
        across,
        labels,
        len(x),
        across.shape[1],
        x.shape[1],
        *x.stride(),
        ROWS=rows,
        CENTRES=centres,
        **_OPTIONS,
    )


def _measure(x: Any, centres: Any, labels: Any, squares: Any) -> None:
    own_squares_kernel[(_tiles(len(x), _ROWS),)](
        x, centres, labels.contiguous(), squares, *x.shape, *x.stride(), ROWS=_ROWS, **_OPTIONS
    )


def _sum_blocks(values: Any, weights: Any, potentials: Any) -> None:
    count, n_rows = values.shape
    potentials_kernel[(_tiles(potentials.numel(), _SUMS),)](
        values,
        values if weights is None else weights.contiguous(),
        potentials,
        n_rows,
        len(potentials),
        count,
        _tiles(min(n_rows, SEED_ROWS), 8),
        WEIGHTED=weights is not None,
        SEED_ROWS=SEED_ROWS,
        SUMS=_SUMS,
        **_OPTIONS,
    )


def _upload(where: torch.device, *arrays: Matrix) -> list[Any]:
    """Return what there is of centres and columns on the device, by one copy."""
    flat = np.concatenate([array.ravel() for array in arrays])
    there = torch.from_numpy(flat).to(where).split([array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(there, arrays, strict=True)]


def _put(block: Any, array: Any, rows: slice) -> None:
    """Write a block back to rows of an ndarray; of a tensor it is a view."""
    if not device.holds(array):
        array[rows] = block.cpu().numpy()


def _tiles(size: int, tile: int) -> int:
    return -(-size // tile)


def _step(X: Any) -> int:
    return max(1, BLOCK_BYTES // (8 * max(1, X.shape[1])))


def _seed_step(X: Any, count: int) -> int:
    """Return rows of whole blocks."""
    return max(1, BLOCK_BYTES // (8 * max(count, X.shape[1]) * SEED_ROWS)) * SEED_ROWS


def _blocks(rows: slice) -> slice:
    return slice(rows.start // SEED_ROWS, _tiles(rows.stop, SEED_ROWS))
