"""Folds are what a splitter names, however it does."""

import numpy as np
import pytest

from rmodels import LassoCV, LogisticRegressionCV, RidgeClassifierCV, RidgeCV
from rmodels.base.splits import list_splits

NEW = {"l1_ratios": [0], "scoring": "neg_log_loss", "use_legacy_attributes": False}
MODELS = [
    LassoCV(alphas=3),
    LogisticRegressionCV(Cs=2, **NEW),
    RidgeCV([0.1, 1.0]),
    RidgeClassifierCV([0.1, 1.0]),
]


def mask(places):
    return np.isin(np.arange(30), places)


KINDS = {
    "places": np.asarray,
    "list": lambda places: places.tolist(),
    "tuple": lambda places: tuple(places.tolist()),
    "mask": mask,
    "list of booleans": lambda places: mask(places).tolist(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_by_places_and_masks(kind):
    train, test = np.arange(10, 30), np.arange(10)
    found = list_splits([(KINDS[kind](train), KINDS[kind](test))], 30)
    assert len(found) == 1
    np.testing.assert_array_equal(found[0][0], train)
    np.testing.assert_array_equal(found[0][1], test)


def test_rows_by_slices_and_ranges():
    found = list_splits([(slice(10, None), range(10)), (range(20), slice(-10, None))], 30)
    assert [[len(rows) for rows in fold] for fold in found] == [[20, 10], [20, 10]]
    np.testing.assert_array_equal(found[1][1], np.arange(20, 30))


def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2))
    return X, (X[:, 0] + rng.standard_normal(30) > 0).astype(int)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_estimators_take_slices(model):
    X, y = data()
    given = [(slice(10, None), slice(10)), (slice(20), slice(20, None))]
    places = [tuple(np.arange(30)[part] for part in fold) for fold in given]
    found, expected = (type(model)(**model.get_params() | {"cv": cv}) for cv in (given, places))
    np.testing.assert_array_equal(found.fit(X, y).coef_, expected.fit(X, y).coef_)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], "cv yields no folds"),
        ([(range(20), range(20, 30)), (range(30), [])], "number 1 from 0, without rows to score"),
        ([([], range(30))], "number 0 from 0, without rows to train with"),
    ],
)
def test_folds_without_rows(model, cv, message):
    with pytest.raises(ValueError, match=message):
        type(model)(**model.get_params() | {"cv": cv}).fit(*data())
