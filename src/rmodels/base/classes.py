"""Classes of labels in fits that see a part of the rows at a time."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import compute_class_weight

from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host

__all__ = ["known_classes", "one_target", "weigh_classes"]


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


def weigh_classes(
    source: Source, class_weight: dict | str | None
) -> list[NDArray[np.float64]] | None:
    """Return what weights of rows are multiplied by, for each target by the places of its classes.

    "balanced" counts rows with their weights: a class's is Σ w / (n_classes · Σ w of the class).
    None if nothing is multiplied.
    """
    if not class_weight:
        return None
    assert source.classes is not None
    each = [on_host(classes) for classes in source.classes]
    if class_weight != "balanced":
        if len(each) > 1:
            raise ValueError(
                "For multi-output, class_weight should be a list of dicts, or the string "
                "'balanced'."
            )
        given = compute_class_weight(class_weight, classes=each[0], y=each[0])
        given = given.astype(np.float64)
        if not (np.isfinite(given) & (given >= 0)).all():
            raise ValueError(f"class_weight must be finite and at least 0; got {class_weight!r}")
        return [given]
    sizes = [len(classes) for classes in each]  # not the source, which would travel with tasks

    def count(rows: Rows) -> NDArray[np.float64]:
        weights = None if rows.weights is None else on_host(rows.weights)
        places = on_host(rows.Y).astype(np.intp)
        return np.concatenate(
            [
                np.bincount(column, weights, minlength=size).astype(np.float64)
                for column, size in zip(places.T, sizes, strict=True)
            ]
        )

    counts = np.split(source.fold(count), np.cumsum(sizes)[:-1])
    return [of.sum() / (len(of) * np.where(of > 0, of, np.inf)) for of in counts]
