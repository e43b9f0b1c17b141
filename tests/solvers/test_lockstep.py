"""Searches side by side, and evaluations that share a read."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from rmodels.data import Rows
from rmodels.solvers.lockstep import run, run_together
from rmodels.solvers.losses import Evaluation, Family, evaluate_together

N, D = 300, 5
UNIT = 2.0**-53


def count_rows(rows):
    return np.array([rows.X.shape[0]])


def sum_columns(rows):
    return rows.X.sum(axis=0)


def test_a_search_gets_what_it_asks_for():
    def search():
        count = yield count_rows
        sums = yield sum_columns
        return sums / count

    rows = Rows(np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(run(search(), rows), [2.0, 3.0])


def test_searches_share_reads():
    def search(length):
        total = 0.0
        for _ in range(length):
            total += (yield count_rows)[0]
        return total

    rows = Rows(np.zeros((7, 2)))
    assert run_together([search(k) for k in (2, 0, 5, 1)], rows) == ([14.0, 0.0, 35.0, 7.0], 5)
    assert run_together([], rows) == ([], 0)


def test_errors_of_a_search_are_raised():
    def search():
        yield count_rows
        raise ArithmeticError("of one")

    with pytest.raises(ArithmeticError, match="of one"):
        run_together([search(), search()], Rows(np.zeros((7, 2))))


def masks(kind):
    fold = np.random.default_rng(1).integers(0, 4, N)
    if kind == "folds":
        return [fold != k for k in range(4)]
    return [fold < 2, fold != 1, None, np.zeros(N, dtype=bool), fold < 2]


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
@pytest.mark.parametrize("kind", ["folds", "overlapping"])
def test_each_evaluation_is_that_of_its_rows(kind, loss, is_sparse):
    """Within the rounding of sums."""
    rng = np.random.default_rng(0)
    outputs = 3 if loss == "multinomial" else 1
    X, y = rng.normal(size=(N, D)), rng.integers(0, max(2, outputs), (N, 1)).astype(np.float64)
    rows = Rows(sparse.csr_array(X) if is_sparse else X, y, rng.random(N))
    family = Family(loss, n_outputs=outputs)
    theta = rng.normal(size=(outputs, D + 1))
    chosen = masks(kind)
    some = np.array([0, 2])
    evaluations = [
        Evaluation(family, theta + k, None, None, None, k != 1, 1, mask)
        for k, mask in enumerate(chosen)
    ]
    fewer = theta[:, [0, 2, D]]
    evaluations.append(Evaluation(family, fewer, None, None, some, True, 1, chosen[0]))
    for each, found in zip(evaluations, evaluate_together(evaluations, rows), strict=True):
        own = rows if each.chosen is None else rows.take(np.flatnonzero(each.chosen))
        expected = replace(each, chosen=None)(own)
        assert found.loss == pytest.approx(expected.loss, rel=8 * N * UNIT)
        bound = 8 * N * UNIT * expected.magnitude
        assert (abs(found.gradient - expected.gradient) <= bound).all()
        assert (abs(found.magnitude - expected.magnitude) <= bound).all()
        if each.curvature:
            # at most N rows of weights up to 1, curvatures up to 1/4
            size = 8 * N * UNIT * N * np.square(X).max()
            assert (abs(found.curvature - expected.curvature) <= size).all()
