"""Classes of labels in fits that see a part of the rows at a time."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmodels.data import Source
from rmodels.data.arrays import on_host

__all__ = ["known_classes", "one_target"]


def one_target(source: Source) -> Source:
    """Return a source of labels; raise scikit-learn's error if they have several columns."""
    if source.n_targets != 1:
        raise ValueError(
            "y should be a 1d array, got an array of shape (n_samples, "
            f"{source.n_targets}) instead."
        )
    return source


def known_classes(estimator: Any, classes: ArrayLike | None) -> Any:
    """Return the sorted classes of all batches, by those that `partial_fit` was given."""
    begun = hasattr(estimator, "classes_")
    if not begun and classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    known = on_host(estimator.classes_) if begun else np.unique(np.asarray(classes))
    if begun and classes is not None and not np.array_equal(known, np.unique(classes)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )
    return known
