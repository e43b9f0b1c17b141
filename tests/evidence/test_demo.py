import math
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from rmodels import LinearRegression
from rmodels.cli import main
from rmodels_evidence import families
from rmodels_evidence.comparison import Comparison, compare
from rmodels_evidence.families.linear_model.comparisons import LiteralLoop, coefficients


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    y = X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(60)
    return X[:40], X[40:], y[:40], y[40:]


def _comparison(split, ours, tolerance=1e-10):
    loop = partial(LiteralLoop, 0.1, 20)
    return Comparison("model", "data", "peer", split, ours, loop, coefficients, tolerance)


def test_equal_models_agree(split):
    comparison = _comparison(split, lambda: LinearRegression(learning_rate=0.1, iterations=20))
    outcome = compare(comparison)
    assert outcome.agrees
    assert outcome.difference < 1e-13
    assert outcome.our_score == pytest.approx(outcome.their_score, rel=1e-12)
    assert outcome.our_time > 0
    assert outcome.their_time > 0


@pytest.mark.parametrize("wrong", [0.5, math.nan])
def test_a_difference_is_shown_and_fails(split, monkeypatch, capsys, wrong):
    class Wrong(LinearRegression):
        def fit(self, X, y):
            super().fit(X, y)
            self.coef_[0] += wrong
            return self

        def score(self, X, y):
            return 0.0

        def predict(self, X):
            return X @ np.nan_to_num(self.coef_)

    comparison = _comparison(split, lambda: Wrong(learning_rate=0.1, iterations=20))
    assert not compare(comparison).agrees
    monkeypatch.setattr(families, "comparisons", lambda: iter([comparison]))
    assert main(["demo"]) == 1
    printed = capsys.readouterr().out
    assert "WRONG" in printed
    assert "Above the tolerance: model on data" in printed


def test_comparisons_cover_models_and_data():
    found = list(families.comparisons())
    assert {each.data for each in found} == {"diabetes", "digits", "breast cancer", "200,000 x 40"}
    headline = next(each for each in found if each.peer == "SGDRegressor")
    X_train = headline.split[0]
    assert X_train.shape == (200_000, 40)
    np.testing.assert_allclose(np.linalg.norm(X_train, axis=0), 1, rtol=1e-12)
    ours = headline.ours()
    assert (ours.learning_rate, ours.iterations) == (0.05, 1000)
    quick = [each for each in found if len(each.split[0]) < 10_000]
    assert len(quick) >= 11
    assert all(compare(each).agrees for each in quick)
    # which of tied neighbours a peer takes depends on its threads
    labels = next(each for each in quick if each.model == "5 neighbours, classes")
    with threadpool_limits(1, user_api="openmp"):
        assert compare(labels).agrees
