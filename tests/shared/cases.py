"""What the tests of conventions run over: each estimator of the catalogue, and small data."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

import rmodels
from rmodels.catalogue import CATALOGUE, Entry

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 3))
W = RNG.integers(1, 4, 90).astype(float)
LABELS = (X @ [1.0, -1.0, 0.5] > 0).astype(int)
TARGETS = np.column_stack([LABELS, (X @ [1.0, 1.0, 0.0] > 0).astype(int)])
QUERIES = np.concatenate([X[:3], RNG.standard_normal((9, 3))])

# What a fitted estimator says of rows.
METHODS = ("predict", "predict_proba", "transform", "kneighbors", "radius_neighbors")


@dataclass(frozen=True)
class Case:
    """An estimator of the catalogue with parameters of its entry."""

    entry: Entry
    parameters: dict

    @property
    def name(self):
        return self.entry.name

    def make(self):
        return getattr(rmodels, self.name)(**self.parameters)

    @property
    def y(self):
        """Targets that it can be fitted to."""
        if self.entry.together:
            return TARGETS
        positive = self.make().__sklearn_tags__().target_tags.positive_only
        return LABELS + 1 if positive else LABELS

    @property
    def columns(self):
        """Names of the columns of y."""
        return ["label", "other"] if self.entry.together else ["label"]

    @property
    def target(self):
        """The same, as a scan is told of them."""
        return self.columns if self.entry.together else "label"

    def fit(self, X=X, y=None, weights=None):
        given = {} if weights is None else {"sample_weight": weights}
        return self.make().fit(X, self.y if y is None else y, **given)

    def __str__(self):
        given = ",".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({given})"


ENTRIES = [entry for entry in CATALOGUE.values() if entry.task != "function"]
CASES = [
    Case(entry, dict(parameters))
    for entry in ENTRIES
    for parameters in (entry.example, *entry.variants)
]
EXAMPLES = [Case(entry, dict(entry.example)) for entry in ENTRIES]


def answers(model, queries, *methods):
    """All that a fitted estimator says of rows: lists of arrays without objects, by method.

    Of one that does none of them, how densely rows lie, or what it found in those that it was
    fitted to.
    """
    if not methods and not any(hasattr(model, name) for name in METHODS):
        methods = ("score_samples",)
    found = {
        name: list(_arrays(getattr(model, name)(queries)))
        for name in methods or METHODS
        if hasattr(model, name)
    }
    return found or {"labels_": list(_arrays(model.labels_))}


def assert_close(ours, expected):
    """Answers are the same: labels and indices exactly, numbers to the rounding of other sums."""
    assert ours.keys() == expected.keys()
    for method, arrays in expected.items():
        for found, wanted in zip(ours[method], arrays, strict=True):
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
            else:
                np.testing.assert_array_equal(found, wanted)


def _arrays(found):
    """Yield the arrays of an answer; those of each query, one after the other, and how long."""
    if hasattr(found, "dask"):
        found = found.compute()
    if sparse.issparse(found):
        yield from (found.data, found.indices, found.indptr)
        return
    parts = found if isinstance(found, (list, tuple)) else np.asarray(found)
    one_each = isinstance(parts, list) or (isinstance(parts, np.ndarray) and parts.ndim == 1)
    if one_each and len(parts) and all(getattr(each, "ndim", 0) == 1 for each in parts):
        yield np.concatenate([np.asarray(each) for each in parts])
        yield np.array([len(each) for each in parts])
    elif isinstance(parts, np.ndarray):
        yield parts
    else:
        for each in parts:
            yield from _arrays(each)
