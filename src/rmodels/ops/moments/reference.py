"""Moments by their definition: read this first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.ops.moments import Gram, GroupMoments, Matrix, Moments, Scatter


def _mean(Z: Matrix, w: Matrix) -> Matrix:
    """Return Σ wᵢ zᵢ / Σ wᵢ, with a second step that removes the rounding of the first."""
    weight = w.sum()
    if not weight:
        return np.zeros(Z.shape[1])
    mean: Matrix = w @ Z / weight
    return mean + w @ (Z - mean) / weight


def _weights(weights: NDArray | None, n_samples: int) -> Matrix:
    return np.ones(n_samples) if weights is None else weights.astype(np.float64)


def moments(X: NDArray, Y: NDArray, weights: NDArray | None, n_threads: int | None) -> Moments:
    """W = Σ wᵢ, μ = Σ wᵢ zᵢ / W, M = Σ wᵢ (zᵢ − μ)(zᵢ − μ)ᵀ."""
    n_samples, n_features = X.shape
    Z = np.concatenate([X, Y], axis=1, dtype=np.float64)
    w = _weights(weights, n_samples)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = _mean(Z, w)
        D = Z - mean
        scatter = D.T @ (w[:, np.newaxis] * D)
        left = _mean(D, w)
        near = mean + left
        rest = left - (near - mean)
    return Moments(n_samples, n_features, float(w.sum()), near, scatter, "reference", rest)


def group_moments(
    X: NDArray,
    Y: NDArray,
    groups: NDArray,
    n_groups: int,
    weights: NDArray | None,
    scatter: Scatter,
    n_threads: int | None,
) -> GroupMoments:
    """W_g, μ_g and M_g of the rows of each group, and of M_g the diagonal, the sum or all."""
    rows = [groups == group for group in range(n_groups)]
    found = [
        moments(X[here], Y[here], None if weights is None else weights[here], n_threads)
        for here in rows
    ]
    columns = X.shape[1] + Y.shape[1]
    matrices = np.array([each.scatter for each in found]).reshape(n_groups, columns, columns)
    kept = {
        "diagonal": np.diagonal(matrices, axis1=1, axis2=2),
        "pooled": matrices.sum(axis=0),
        "full": matrices,
    }
    return GroupMoments(
        X.shape[1],
        np.array([here.sum() for here in rows], dtype=np.int64),
        np.array([each.weight for each in found]),
        np.array([each.mean for each in found]).reshape(n_groups, columns),
        kept[scatter],
        scatter,
        "reference",
        np.array([each.rest for each in found]).reshape(n_groups, columns),
    )


def gram(X: NDArray, weights: NDArray | None, centre: bool, n_threads: int | None) -> Gram:
    """K = D Dᵀ with D = diag(√w)(X − μ)."""
    Z = X.astype(np.float64)
    w = _weights(weights, X.shape[0])
    with np.errstate(invalid="ignore", over="ignore"):
        mean = _mean(Z, w) if centre else np.zeros(X.shape[1])
        D = Z - mean
        if centre:
            D -= _mean(D, w)  # what rounding the mean has left
        D *= np.sqrt(w)[:, np.newaxis]
        return Gram(mean, D @ D.T, "reference")


def sparse_products(X: Any, weights: NDArray | None, n_threads: int | None) -> Matrix:
    """Σ wᵢ xᵢ xᵢᵀ, symmetric to the last bit."""
    Z = X.astype(np.float64)
    found: Matrix = (Z.T @ (sparse.diags_array(_weights(weights, X.shape[0])) @ Z)).toarray()
    return np.triu(found) + np.triu(found, 1).T
