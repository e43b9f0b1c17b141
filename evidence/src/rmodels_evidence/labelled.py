"""Rows of classes, and what classifiers say of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Labelled", "generate_classes", "probabilities"]

Labelled = tuple[NDArray, NDArray]


def generate_classes(n_samples: int) -> Labelled:
    """Return rows of 40 columns in five normal classes, and their labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, n_samples)
    return rng.standard_normal((n_samples, 40)) + 0.5 * y[:, np.newaxis], y


def probabilities(model: Any, X: NDArray) -> NDArray:
    """Return what a fitted classifier says of rows: (n_samples, n_classes)."""
    return np.asarray(model.predict_proba(X))
