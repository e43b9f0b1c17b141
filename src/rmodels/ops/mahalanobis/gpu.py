"""Squared Mahalanobis distances on the GPU: by PyTorch's elementwise operations and products."""

from typing import Any

import torch

from rmodels.ops import device

_BLOCK_BYTES = 1 << 28  # of differences that are held at a time


@device.beside_its_data
def diagonal(X: Any, centres: Any, precisions: Any, n_threads: int | None) -> Any:
    """Σ_j r_cj (x_j − m_cj)², a centre after the other."""
    found, where = _prepare(X, centres)
    m, r = (device.upload(A, where).to(torch.float64) for A in (centres, precisions))
    for rows, (x,) in device.stage([X], _step(X), "distances", where):
        for c in range(len(m)):
            gaps = x.to(torch.float64) - m[c]
            found[rows, c] = (gaps * gaps) @ r[c]
    return device.like(found, X)


@device.beside_its_data
def classify(
    X: Any, centres: Any, precisions: Any, constants: Any, n_threads: int | None
) -> tuple[Any, bool]:
    """argmax_c of k_c − ½ Σ_j r_cj (x_j − m_cj)²."""
    sums = device.upload(diagonal(X, centres, precisions, n_threads), device.device(X))
    k = device.upload(constants, sums.device).to(torch.float64)
    places = (sums * -0.5 + k).argmax(dim=1)
    return device.like(places, X), bool(torch.isfinite(sums).all())


@device.beside_its_data
def full(X: Any, centres: Any, factors: Any, n_threads: int | None) -> Any:
    """‖(x − m_c) A_c‖², a centre after the other."""
    found, where = _prepare(X, centres)
    m, A = (device.upload(each, where).to(torch.float64) for each in (centres, factors))
    for rows, (x,) in device.stage([X], _step(X), "distances", where):
        for c in range(len(m)):
            found[rows, c] = (((x.to(torch.float64) - m[c]) @ A[c]) ** 2).sum(dim=1)
    return device.like(found, X)


def _prepare(X: Any, centres: Any) -> tuple[torch.Tensor, torch.device]:
    where = device.device(X)
    return torch.empty((len(X), len(centres)), dtype=torch.float64, device=where), where


def _step(X: Any) -> int:
    return max(1, _BLOCK_BYTES // (24 * max(1, X.shape[1])))
