"""Gradient descent on the GPU: a fused kernel per step, or all steps from the moments."""

from dataclasses import replace
from typing import Any

import torch

from rmodels.ops import device
from rmodels.ops.descent import Descent, Gradient
from rmodels.ops.descent.kernels import gradient_kernel
from rmodels.ops.moments import Moments

__all__ = ["descent", "gradient", "largest_eigenvalue", "steps_from_moments"]

# What a program holds at a time: rows × columns × targets, and at most so many of each.
_TILE, _MOST_ROWS, _MOST_COLUMNS, _MOST_TARGETS = 2048, 4096, 64, 8
if device.is_interpreted():
    _TILE, _MOST_COLUMNS = 1 << 18, 1024
_WARPS = 4
_PROGRAMS = 2 if device.is_interpreted() else 132 * 8  # enough to fill the largest GPUs
_BLOCK_BYTES = 1 << 28  # of rows that are copied at a time


def _power_of_two(least: int) -> int:
    return 1 << max(0, least - 1).bit_length()


def _float64(array: Any, where: torch.device) -> torch.Tensor:
    return device.upload(array, where).to(torch.float64).contiguous()


def _sums(
    X: torch.Tensor,
    Y: torch.Tensor,
    weights: torch.Tensor | None,
    shift: torch.Tensor | None,
    coefficients: torch.Tensor,
) -> torch.Tensor:
    """Return slopes, Σwr, ½Σwr² and Σw of one block: (n_features + 3, n_targets)."""
    (n_rows, n_features), n_targets = X.shape, Y.shape[1]
    columns = min(_power_of_two(n_features), _MOST_COLUMNS)
    targets = min(_power_of_two(n_targets), _MOST_TARGETS)
    rows = min(_MOST_ROWS, _TILE // (columns * targets))
    programs = max(1, min(_PROGRAMS, -(-n_rows // rows)))
    per_program = -(-n_rows // (programs * rows)) * rows
    sums = torch.zeros((programs, n_features + 3, n_targets), dtype=torch.float64, device=X.device)
    if n_targets:
        gradient_kernel[(programs, -(-n_targets // targets))](
            X,
            Y,
            X if weights is None else weights,
            coefficients if shift is None else shift,
            coefficients,
            sums,
            n_rows,
            n_features,
            n_targets,
            per_program,
            *X.stride(),
            *Y.stride(),
            0 if weights is None else weights.stride(0),
            WEIGHTED=weights is not None,
            SHIFTED=shift is not None,
            ROWS=rows,
            COLUMNS=columns,
            TARGETS=targets,
            num_warps=_WARPS,
            enable_fp_fusion=True,
        )
    return sums.sum(dim=0)


def _gradient(
    arrays: list[Any], shift: torch.Tensor | None, coefficients: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return gradient and losses on the device."""
    X, Y, _ = arrays
    where = coefficients.device
    step = len(X)
    if not (device.holds(X) and device.holds(Y)):
        step = max(1, _BLOCK_BYTES // (8 * (X.shape[1] + Y.shape[1] + 1)))
    total = torch.zeros((X.shape[1] + 3, Y.shape[1]), dtype=torch.float64, device=where)
    for _, (x, y, w) in device.stage(arrays, max(1, step), "gradient", where):
        total += _sums(x, y, w, shift, coefficients)
    means = total[:-1] / total[-1]
    return means[:-1], means[-1]


@device.beside_its_data
def gradient(
    X: Any, Y: Any, coefficients: Any, weights: Any, shift: Any, n_threads: int | None
) -> Gradient:
    """Sum over the rows in one launch, or block by block if they have to be copied."""
    arrays = [X, Y, weights]
    where = device.device(*arrays)
    slope, losses = _gradient(
        arrays,
        None if shift is None else _float64(shift, where),
        _float64(coefficients, where),
    )
    return Gradient(device.like(slope, *arrays), device.like(losses, *arrays), "gpu")


@device.beside_its_data
def descent(
    X: Any,
    Y: Any,
    start: Any,
    learning_rate: float,
    iterations: int,
    weights: Any,
    fit_intercept: bool,
    n_threads: int | None,
) -> Descent:
    """Step along the gradient; nothing waits for the device between two steps."""
    given = X, Y, weights
    where = device.device(*given)
    arrays = list(given)
    if X.nbytes + Y.nbytes < device.room(where) // 2:
        arrays = [None if a is None else device.upload(a, where) for a in given]
    coefficients = _float64(start, where).clone()
    losses = torch.empty((iterations, Y.shape[1]), dtype=torch.float64, device=where)
    for step in range(iterations + 1):
        slope, loss = _gradient(arrays, None, coefficients)
        if step:
            losses[step - 1] = loss
        if step < iterations:
            if not fit_intercept:
                slope[-1] = 0.0
            coefficients.sub_(slope, alpha=learning_rate)
    return Descent(device.like(coefficients, *given), device.like(losses, *given), "gpu")


def steps_from_moments(
    moments: Moments, learning_rate: float, iterations: int, fit_intercept: bool
) -> Descent:
    """Double the number of steps known by each product; nothing waits for the device.

    With H = ZᵀWZ / Σw, c = ZᵀWy / Σw and A = I − αH, t steps lead to w_t = B_t c, where
    B_t = α Σ_{j<t} Aʲ, so that B_2t = 2 B_t − B_t H B_t: the digits of a small αλ are kept, as by
    expm1. From w_1 … w_t come w_{t+1} … w_2t = w_t + (I − B_t H)(w_1 … w_t) in one product. So t
    steps take log₂ t products of (d, d) matrices, and products of (d, d) by (d, t) for all iterates
    and their losses.
    """
    H, c, squares = _normal_equations(moments, fit_intercept)
    d, (rows, n_targets) = moments.n_features, c.shape
    steps = H.new_empty((rows, iterations, n_targets))
    steps[:, :1] = learning_rate * c[:, None]
    B = learning_rate * torch.eye(rows, dtype=H.dtype, device=H.device)
    known = 1
    while known < iterations:
        more = min(known, iterations - known)
        block = steps[:, :more].reshape(rows, -1)
        ahead = (block - B @ (H @ block)).view(rows, more, n_targets)
        steps[:, known : known + more] = steps[:, known - 1 : known] + ahead
        known += more
        if known < iterations:
            B = 2.0 * B - B @ (H @ B)
    flat = steps.view(rows, -1)
    curves = (flat * (0.5 * (H @ flat))).sum(dim=0).view(iterations, n_targets)
    slopes = (steps * c[:, None]).sum(dim=0)
    coefficients = H.new_zeros((d + 1, n_targets))
    if iterations:
        coefficients[:rows] = steps[:, -1]
    losses = 0.5 * squares + curves - slopes
    given = moments.mean
    return Descent(device.like(coefficients, given), device.like(losses, given), "gpu")


def largest_eigenvalue(moments: Moments, fit_intercept: bool) -> float:
    """λ_max of H, on the device."""
    H, _, _ = _normal_equations(moments, fit_intercept)
    if not H.isfinite().all():
        return float("inf")
    return float(torch.linalg.eigvalsh(H)[-1]) if len(H) else 0.0


def _normal_equations(
    moments: Moments, fit_intercept: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return H = ZᵀWZ / Σw, c = ZᵀWy / Σw and Σwy² / Σw, Z being [X 1] or X."""
    d = moments.n_features
    where = device.device(moments.mean)
    mean, scatter = (_float64(part, where) for part in (moments.mean, moments.scatter))
    there: Any = replace(moments, mean=mean, scatter=scatter)
    second: torch.Tensor = there.about_zero() / moments.weight
    rows = d + 1 if fit_intercept else d
    H, c = mean.new_empty((rows, rows)), mean.new_empty((rows, len(mean) - d))
    H[:d, :d], c[:d] = second[:d, :d], second[:d, d:]
    if fit_intercept:
        H[d, :d] = H[:d, d] = mean[:d]
        H[d, d] = 1.0
        c[d] = mean[d:]
    return H, c, second.diagonal()[d:]
