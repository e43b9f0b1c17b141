"""Squared Mahalanobis distances by their definition: read this first."""

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.mahalanobis import Matrix


@np.errstate(over="ignore", invalid="ignore")
def diagonal(X: NDArray, centres: Matrix, precisions: Matrix, n_threads: int | None) -> Matrix:
    """Σ_j r_cj (x_j − m_cj)², a column after the other."""
    total = np.zeros((len(X), len(centres)))
    for x, m, r in zip(X.T.astype(np.float64), centres.T, precisions.T, strict=True):
        gaps = x[:, np.newaxis] - m
        total += gaps * gaps * r
    return total


def classify(
    X: NDArray, centres: Matrix, precisions: Matrix, constants: Matrix, n_threads: int | None
) -> tuple[NDArray[np.int64], bool]:
    """argmax_c of k_c − ½ Σ_j r_cj (x_j − m_cj)²."""
    sums = diagonal(X, centres, precisions, n_threads)
    places = (sums * -0.5 + constants).argmax(axis=1)
    return places.astype(np.int64), bool(np.isfinite(sums).all())


@np.errstate(over="ignore", invalid="ignore")
def full(X: NDArray, centres: Matrix, factors: Matrix, n_threads: int | None) -> Matrix:
    """‖(x − m_c) A_c‖², a centre after the other."""
    found = np.empty((len(X), len(centres)))
    for c, (centre, A) in enumerate(zip(centres, factors, strict=True)):
        found[:, c] = (((X - centre) @ A) ** 2).sum(axis=1)
    return found
