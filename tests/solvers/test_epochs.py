"""Epochs that are affine maps: the same as all their steps."""

from dataclasses import replace

import numpy as np
import pytest
import sklearn.linear_model
from scipy import sparse

import rmodels
from rmodels import SGDClassifier, SGDRegressor
from rmodels.config import config_context
from rmodels.ops.ordered import Place, Problem, Rule, begin, compose
from rmodels.solvers import epochs

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
GIVEN = {"shuffle": False, "learning_rate": "constant"}


def data(seed, n, d):
    """Rows of norm about 1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) / np.sqrt(d) + 0.2
    return X, X @ rng.standard_normal(d) + rng.standard_normal(n)


def assert_equal(ours, theirs):
    """Coefficients within what 1000 epochs leave of rounding, as the documentation states."""
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    a, b = (np.r_[np.ravel(each.coef_), each.intercept_] for each in (ours, theirs))
    assert abs(a - b).max() <= 1e-10 * abs(b).max()


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("d", [1, 5, 17])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_map_is_all_steps(engine, n, d, fit_intercept):
    X, y = data(n, n, d)
    weights = np.random.default_rng(1).random(n) + 0.5
    rule = Rule("squared_error", penalty="l2", alpha=0.3, eta0=0.05, intercept_decay=0.5)
    rule = Rule(**{**vars(rule), "fit_intercept": fit_intercept})
    start = Place.zeros(1, d, np.float64)
    start.coefficients[:], start.intercepts[:] = np.random.default_rng(2).random(d), 0.7
    v = np.array([*start.coefficients[0], 0.7, 1.0])
    walk = begin(rule, [Problem()], start, engine="reference")
    walk.run(X, y, weights, None, None, None, 1)
    expected = walk.place()
    found = compose(rule, X, y, weights, engine=engine)
    assert found.engine == engine
    assert found.n_samples == n
    after = found.map @ v
    np.testing.assert_allclose(after[:-2], expected.coefficients[0], rtol=1e-12, atol=1e-13)
    assert after[-2:] == pytest.approx([expected.intercepts[0], 1.0], rel=1e-12)
    assert v @ found.form @ v / n == pytest.approx(expected.objectives[0], rel=1e-12)


def test_parts_after_each_other_are_all_rows():
    X, y = data(0, 60, 3)
    rule = Rule("squared_error", penalty="l2", alpha=0.1, eta0=0.1)
    parts = [compose(rule, X[rows], y[rows], None) for rows in (slice(25), slice(25, None))]
    found, whole = parts[0] + parts[1], compose(rule, X, y, None)
    np.testing.assert_allclose(found.map, whole.map, atol=1e-13)
    np.testing.assert_allclose(found.form, whole.form, rtol=1e-11, atol=1e-11)
    assert found.n_samples == 60


def test_any_number_of_threads_gives_the_same_bits():
    X, y = data(1, 9000, 6)
    rule = Rule("squared_error", penalty="l2", alpha=0.1, eta0=0.01)
    one, two = (compose(rule, X, y, None, n, engine="native") for n in (1, 2))
    np.testing.assert_array_equal(one.map, two.map)
    np.testing.assert_array_equal(one.form, two.form)


@quiet
@pytest.mark.parametrize("penalty", [None, "l2"])
@pytest.mark.parametrize("tol", [None, 1e-4, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_is_what_scikit_learns_steps_lead_to(penalty, tol, fit_intercept):
    if tol and SKLEARN < (1, 9):
        pytest.skip("scikit-learn before 1.9 stops otherwise")
    X, y = data(2, 1000, 4)
    given = GIVEN | {"penalty": penalty, "alpha": 0.01, "eta0": 2e-5, "tol": tol}
    given["fit_intercept"] = fit_intercept
    given["max_iter"] = 1000 if tol is not None else 300
    weights = np.random.default_rng(3).random(1000) + 0.5
    ours, theirs = (
        home.SGDRegressor(**given).fit(X, y, sample_weight=weights)
        for home in (rmodels, sklearn.linear_model)
    )
    assert ours.solver_ == "epochs"
    assert_equal(ours, theirs)
    assert tol is None or ours.n_iter_ < 1000 or tol == 0


@quiet
@pytest.mark.parametrize("classes", [2, 3])
def test_classes(classes):
    X, y = data(4, 300, 3)
    labels = np.argsort(np.argsort(y)) * classes // 300
    given = GIVEN | {"loss": "squared_error", "eta0": 0.001, "max_iter": 400, "tol": None}
    given["class_weight"] = "balanced"
    ours, theirs = (
        home.SGDClassifier(**given).fit(X, labels) for home in (rmodels, sklearn.linear_model)
    )
    assert ours.solver_ == "epochs"
    assert_equal(ours, theirs)


@quiet
def test_begins_where_it_is_told():
    X, y = data(5, 400, 3)
    given = GIVEN | {"eta0": 0.001, "max_iter": 200, "tol": None}
    ours, theirs = (
        home.SGDRegressor(**given).fit(X, y, coef_init=[1.0, 2.0, 3.0], intercept_init=[4.0])
        for home in (rmodels, sklearn.linear_model)
    )
    assert ours.solver_ == "epochs"
    assert_equal(ours, theirs)


@pytest.mark.parametrize(
    "given",
    [
        {"shuffle": True},
        {"learning_rate": "invscaling"},
        {"penalty": "l1"},
        {"loss": "huber"},
        {"average": True},
        {"early_stopping": True},
        {"max_iter": 2},
        {"max_iter": 10},  # done in a moment
    ],
    ids=str,
)
@quiet
def test_all_else_goes_by_steps(given):
    X, y = data(6, 2000, 3)
    given = GIVEN | {"max_iter": 50, "tol": None} | given
    model = SGDRegressor(**given).fit(X, y)
    assert model.solver_ == "steps"


@quiet
def test_float32_and_sparse_rows_go_by_steps():
    X, y = data(7, 2000, 3)
    model = SGDRegressor(**GIVEN, max_iter=50, tol=None)
    for rows in (X.astype(np.float32), sparse.csr_matrix(X)):
        assert model.fit(rows, y).solver_ == "steps"


def test_few_epochs_that_are_enough_are_steps():
    X, y = data(8, 2000, 40)
    model = SGDRegressor(**GIVEN, eta0=0.01).fit(X, y)
    assert model.n_iter_ < epochs.worth(rmodels.data.source(model, X, y, targets="numbers"))
    assert model.solver_ == "steps"


@quiet
def test_a_scan_is_read_once_for_all_epochs():
    X, y = data(9, 300, 3)
    reads = []

    def batches():
        reads.append(1)
        for first in range(0, 300, 70):
            yield np.c_[X, y][first : first + 70]

    given = GIVEN | {"eta0": 0.001, "max_iter": 500, "tol": None}
    scan = rmodels.scan(batches, columns=range(3))
    before = len(reads)
    model = SGDRegressor(**given).fit(scan, 3)
    assert model.solver_ == "epochs"
    assert len(reads) - before <= 2  # one of which finds out what is in the first batch
    assert_equal(model, SGDRegressor(**given).fit(X, y))


@quiet
def test_steps_that_grow_are_limited():
    """Once slopes are limited to 10¹², epochs are no affine maps."""
    X, y = data(10, 50, 3)
    growth = []

    def steps(place):
        walk = begin(replace(rule, max_iter=1), [Problem()], place)
        walk.run(X * 3, y, None, None, None, None, 1)
        return walk.place()

    for max_iter in (8, 12, 16, 20):
        rule = Rule("squared_error", eta0=0.2, max_iter=max_iter)
        start = Place.zeros(1, 3, np.float64)
        ours = epochs.follow(compose(rule, X * 3, y, None), rule, start, steps)
        given = GIVEN | {"eta0": 0.2, "penalty": None, "max_iter": max_iter, "tol": None}
        theirs = sklearn.linear_model.SGDRegressor(**given).fit(X * 3, y)
        np.testing.assert_allclose(ours.coefficients[0], theirs.coef_, rtol=1e-7)
        growth.append(abs(theirs.coef_).max())
    assert growth[1] > 1e3 * growth[0]
    assert growth[3] < 1e3 * growth[2] < 1e15


def test_overflow_is_the_error_of_its_epoch():
    X, y = data(10, 50, 3)
    given = GIVEN | {"penalty": None, "max_iter": 100, "tol": None}
    for home in (rmodels, sklearn.linear_model):
        with pytest.raises(ValueError, match=r"overflow occurred at epoch #1\."):
            home.SGDRegressor(**given).fit(X * 1e300, y)


@quiet
def test_reference_engine():
    X, y = data(11, 60, 2)
    given = GIVEN | {"eta0": 0.001, "max_iter": 1000, "tol": None}
    with config_context(engine="reference"):
        model = SGDRegressor(**given).fit(X, y)
    assert (model.engine_, model.solver_) == ("reference", "epochs")
    assert_equal(model, SGDRegressor(**given).fit(X, y))


def test_classifier_says_how_it_went():
    X, y = data(12, 100, 3)
    assert SGDClassifier(random_state=0).fit(X, y > 0).solver_ == "steps"


def test_epochs_of_a_cluster_are_a_map_too(engine):
    dd = pytest.importorskip("dask.dataframe", reason="the extra dask is not installed: Dask")
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(23)
    X = rng.standard_normal((240, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(240)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y)
    given = {"learning_rate": "constant", "shuffle": False, "tol": None, "eta0": 1e-3}
    parts = dd.from_pandas(frame, npartitions=5)
    model = rmodels.SGDRegressor(max_iter=300, **given).fit(parts[["a", "b", "c"]], parts["y"])
    assert model.solver_ == "epochs"
    steps = rmodels.SGDRegressor(
        max_iter=300, **(given | {"learning_rate": "invscaling", "power_t": 0.0})
    ).fit(X, y)
    assert steps.solver_ == "steps"
    np.testing.assert_allclose(model.coef_, steps.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, steps.intercept_, rtol=1e-12)
