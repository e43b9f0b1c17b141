"""Plans: which way solvers go, why, and that they go there."""

import numpy as np
import pytest
from scipy import sparse

from rmodels.config import config_context
from rmodels.data.source import Rows, Without
from rmodels.solvers import descent, least_squares, ridge
from rmodels.solvers.plan import plan_descent, plan_least_squares


def rows(n, d, targets=1, kind=np.asarray):
    rng = np.random.default_rng(0)
    return Rows(kind(rng.normal(size=(n, d))), rng.normal(size=(n, targets)), None, lambda: None)


def batches(n, d):
    """Return rows that are not in memory."""
    return Without(rows(n, d), range(0))


def wide_sparse(n, d):
    return rows(n, d, kind=sparse.csr_array)


@pytest.mark.parametrize(
    ("source", "asked", "solver", "reason"),
    [
        (rows(40, 10), {}, "moments", "fewest operations"),
        (rows(10, 10), {}, "gram", "fewest operations"),
        (rows(10, 40), {}, "gram", "fewest operations"),
        (rows(10, 40), {"solver": "moments"}, "moments", "asked for"),
        (rows(40, 10), {"solver": "rows"}, "rows", "asked for"),
        (rows(40, 10), {"positive": True}, "rows", "at least 0"),
        (batches(10, 40), {}, "moments", "add up over batches"),
        (batches(10, 40), {"solver": "rows"}, "rows", "asked for"),
        (wide_sparse(10, 40), {}, "gram", "fewest operations"),
    ],
)
def test_least_squares(source, asked, solver, reason):
    route = plan_least_squares(source, **asked)
    assert route.solver == solver
    assert reason in route.reason
    assert bool(route.costs) is (reason == "fewest operations")
    # of ten centred rows at most nine columns are independent: their moments cannot decide
    few = solver == "moments" and source.number_rows() == 10
    assert least_squares.solve(source, True, **asked).solver == ("rows" if few else solver)


def test_sparse_rows_whose_moments_do_not_fit():
    source = wide_sparse(170, 200)
    with config_context(memory_limit=40 * 170**2 - 1):
        route = plan_least_squares(source)
        assert (route.solver, route.costs) == ("krylov", {})
        assert route.otherwise.solver == "lsqr"
        assert "memory_limit" in route.reason
        assert least_squares.solve(source, True).solver in ("krylov", "lsqr")
        assert ridge.solve(source, np.ones(1), True).solver == "krylov"
        assert plan_least_squares(rows(170, 200)).solver == "gram"
    with config_context(memory_limit=40 * 170**2):
        assert plan_least_squares(source).solver == "gram"


@pytest.mark.parametrize(
    ("source", "iterations", "rate", "solver"),
    [
        (rows(2000, 10), 1000, 1e-3, "moments"),
        (rows(20, 300), 1000, 1e-5, "gram"),
        (rows(500, 400), 1, 1e-5, "stream"),
        (rows(500, 400), 1, "auto", "moments"),
        (rows(500, 400, targets=3), 1000, 1e-5, "moments"),
        (rows(500, 400, kind=sparse.csr_array), 1, 1e-5, "moments"),
        (batches(20, 300), 1, 1e-5, "moments"),
    ],
)
def test_descent(source, iterations, rate, solver):
    route = plan_descent(source, iterations, rate)
    assert route.solver == solver
    if route.costs:
        assert route.costs[solver] == min(route.costs.values())
    assert descent.descend(source, iterations, rate, True).solver == solver


def test_costs_are_operations():
    # 2 n d of a step and of the loss after the last, 4 times as long as others each
    assert plan_descent(rows(30, 20), 4, 0.1).costs == {
        "moments": 30 * 20**2 / 2 + 50 * 20**3,
        "gram": 30**2 * 20 / 2 + 50 * 30**3,
        "stream": 4 * 2 * 30 * 20 * 5,
    }


@pytest.mark.parametrize("plan", [plan_least_squares, lambda *a, **k: plan_descent(a[0], 3, **k)])
def test_products_of_batches_are_refused_before_anything_is_read(plan):
    with pytest.raises(ValueError, match="solver='gram' needs X as an array"):
        plan(batches(10, 40), solver="gram")
