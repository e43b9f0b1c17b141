"""Gaussian naive Bayes: right values, digits, batches, and what it refuses."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import naive_bayes

import rmodels
from rmodels import GaussianNB

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 300)
X = RNG.standard_normal((300, 4)) * [1, 2, 3, 4] + Y[:, np.newaxis]
W = RNG.integers(1, 999, 300) / 256  # float32 holds them


def test_a_worked_example():
    model = GaussianNB(var_smoothing=0).fit([[0.0], [2.0], [5.0]], ["b", "b", "a"], [1, 1, 2])
    assert_array_equal(model.classes_, ["a", "b"])
    assert_array_equal(model.class_count_, [2, 2])
    assert_array_equal(model.theta_, [[5], [1]])
    assert_array_equal(model.var_, [[0], [1]])
    model = GaussianNB(var_smoothing=0.5).fit([[0.0], [2.0], [5.0]], ["b", "b", "a"], [1, 1, 2])
    assert_allclose(model.epsilon_, 0.5 * (9 + 1 + 2 * 4) / 4, rtol=1e-15)  # the mean is 3
    joint = np.log(0.5) - 0.5 * np.log(2 * np.pi * 3.25) - 0.5 * (4 - 1) ** 2 / 3.25
    assert_allclose(model.predict_joint_log_proba([[4.0]])[0, 1], joint, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("priors", [None, [0.2, 0.3, 0.5]])
@pytest.mark.parametrize("weights", [None, W])
def test_equal_to_scikit_learn(dtype, priors, weights):
    rows = X.astype(dtype)
    ours = GaussianNB(priors=priors).fit(rows, Y, weights)
    theirs = naive_bayes.GaussianNB(priors=priors).fit(rows.astype(float), Y, weights)
    for name in ("theta_", "var_", "class_count_", "class_prior_"):
        # what is added to the variances is 1e-9 of one, and scikit-learn's leaves out the weights
        assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9)
    queries = rows.astype(float)
    assert_array_equal(ours.predict(queries), theirs.predict(queries))
    for method in ("predict_proba", "predict_log_proba", "predict_joint_log_proba"):
        found, expected = (getattr(each, method)(queries) for each in (ours, theirs))
        assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_batches_are_one_fit(offset):
    rows = X + offset
    whole = GaussianNB(var_smoothing=0.1).fit(rows, Y, W)
    batches = GaussianNB(var_smoothing=0.1)
    order = np.argsort(Y, kind="stable")  # most batches lack classes
    for part in np.array_split(order, 7):
        batches.partial_fit(rows[part], Y[part], classes=[2, 1, 0], sample_weight=W[part])
    for name in ("theta_", "var_", "epsilon_", "class_count_", "class_prior_"):
        assert_allclose(getattr(batches, name), getattr(whole, name), rtol=1e-12)


def test_what_is_added_is_that_of_all_rows():
    model = GaussianNB(var_smoothing=0.1)
    model.partial_fit([[0.0], [2.0], [10.0], [12.0]], [0, 0, 1, 1], classes=[0, 1])
    model.partial_fit([[0.0], [20.0], [100.0], [120.0]], [0, 0, 1, 1])
    assert_allclose(model.var_[0, 0], 274.95, rtol=1e-14)


def test_digits_of_far_rows():
    rows = (X + 1e5).astype(np.float32)
    model = GaussianNB(var_smoothing=0).fit(rows, Y)
    for place, label in enumerate(model.classes_):
        part = rows[label == Y].astype(float) - 1e5  # exact
        assert_allclose(model.theta_[place], part.mean(axis=0) + 1e5, rtol=1e-15)
        assert_allclose(model.var_[place], part.var(axis=0), rtol=1e-12)


def test_weights_are_repeated_rows():
    counts = RNG.integers(0, 4, 300)
    weighted = GaussianNB(var_smoothing=0.1).fit(X, Y, counts)
    repeated = GaussianNB(var_smoothing=0.1).fit(np.repeat(X, counts, 0), np.repeat(Y, counts))
    assert_allclose(weighted.var_, repeated.var_, rtol=1e-13)
    assert_allclose(weighted.theta_, repeated.theta_, rtol=1e-13)


def test_a_class_that_has_not_come():
    model = GaussianNB().partial_fit(X, Y, classes=[0, 1, 2, 3])
    assert_array_equal(model.predict_proba(X)[:, 3], 0)
    assert_array_equal(model.predict(X), GaussianNB().fit(X, Y).predict(X))


def answers(model, rows):
    """Return labels and probabilities, which fit each other, with warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict_proba(rows)
        with np.errstate(divide="ignore"):
            assert_array_equal(np.exp(model.predict_log_proba(rows)), found)
        labels = model.predict(rows)
        scan = rmodels.scan(lambda: iter([np.asarray(rows)]))
        assert_array_equal(model.predict(scan), labels)
        assert_array_equal(model.predict_proba(scan), found)
    assert_array_equal(model.classes_[found.argmax(axis=1)], labels)
    return found


@pytest.mark.usefixtures("on_engine")
def test_rows_that_are_one_point():
    rows, queries = [[0.0], [1.0], [5.0]], [[1.0], [0.0], [-7.0]]
    model = GaussianNB().fit(rows, [0, 1, 1], [0, 1, 0])
    assert (model.epsilon_, model.var_.tolist()) == (0.0, [[0.0], [0.0]])
    assert_array_equal(answers(model, queries), [[0, 1]] * 3)
    model = GaussianNB().fit(np.full((7, 2), 0.1), ["a", "b", "b", "b", "a", "b", "b"])
    assert_array_equal(answers(model, [[0.1, 0.1], [3.0, 4.0]]), np.tile([2 / 7, 5 / 7], (2, 1)))
    model = GaussianNB(priors=[0.0, 1.0]).fit(np.full((3, 1), 0.1), [0, 0, 1])
    assert_array_equal(answers(model, [[0.1], [9.0]]), [[0, 1]] * 2)
    assert_array_equal(
        model.predict_joint_log_proba([[0.1]]), [[-np.inf, -0.5 * np.log(2 * np.pi)]]
    )


@pytest.mark.usefixtures("on_engine")
def test_variances_of_0_are_the_limit_of_small_ones():
    rng = np.random.default_rng(1)
    rows, labels = rng.integers(0, 3, (40, 3)) * 1.0, np.repeat([0, 1, 2, 3], 10)
    rows[:10, 0], rows[10:20, 1], rows[20:30, :2] = 1.0, 2.0, 1.0
    queries = np.concatenate([rows, rng.integers(0, 3, (40, 3)) + 0.25])
    found = answers(GaussianNB(var_smoothing=0).fit(rows, labels), queries)
    small = GaussianNB(var_smoothing=1e-12).fit(rows, labels)
    # less than 10⁻¹² / the least variance, 0.2, of squares up to 9 in three columns; and factors
    # of 10⁶ for a column that does not vary
    assert_allclose(found, small.predict_proba(queries), atol=1e-5)
    assert set(found.argmax(axis=1)) == {0, 1, 2, 3}


@pytest.mark.usefixtures("on_engine")
def test_a_class_without_weight_is_not_predicted_of_rows_however_far():
    far = [[1e200], [-1e300], [0.3]]
    rows, labels = [[0.0], [1.0], [2.0], [7.0]], [0, 1, 1, 2]
    found = answers(GaussianNB().fit(rows, labels, [0, 1, 1, 1]), far)
    assert_array_equal(found[:, 0], 0)
    assert_allclose(found[:2], [[0, 2 / 3, 1 / 3]] * 2, rtol=1e-15)
    found = answers(GaussianNB(priors=[0, 0.25, 0.75]).fit(rows, labels), far)
    assert_allclose(found[:2], [[0, 0.25, 0.75]] * 2, rtol=1e-15)


def test_of_equal_probabilities_the_first_class_wins():
    model = GaussianNB().fit([[0.0], [2.0], [4.0], [6.0]], ["low", "low", "high", "high"])
    assert model.predict([[3.0]]).tolist() == ["high"]
    one = GaussianNB().fit([[0.0], [1.0]], ["only", "only"])
    assert_array_equal(one.predict_proba([[7.0]]), [[1.0]])


def test_fit_forgets_and_partial_fit_goes_on():
    model = GaussianNB().partial_fit(X, Y, classes=[0, 1, 2, 3]).fit(X[:200], Y[:200])
    assert_array_equal(model.classes_, [0, 1, 2])
    model.partial_fit(X[200:], Y[200:])
    assert_allclose(model.theta_, GaussianNB().fit(X, Y).theta_, atol=1e-14)


def test_classes_of_a_scan(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.array(["x", "y", "z"])[Y])
    frame.to_parquet(tmp_path / "rows.parquet")
    model = GaussianNB().fit(rmodels.scan(tmp_path / "rows.parquet"), "kind")
    whole = GaussianNB().fit(frame[list("abcd")], frame["kind"])
    assert_array_equal(model.classes_, ["x", "y", "z"])
    assert_allclose(model.theta_, whole.theta_, rtol=1e-13)
    assert model.score(rmodels.scan(tmp_path / "rows.parquet"), "kind") == whole.score(
        frame[list("abcd")], frame["kind"]
    )


@pytest.mark.parametrize(
    ("parameters", "rows", "labels", "message"),
    [
        ({"priors": [0.5, 0.5]}, X, Y, "Number of priors must match"),
        ({"priors": [0.5, 0.5, 0.5]}, X, Y, "sum of the priors should be 1"),
        ({"priors": [1.5, -0.5, 0.0]}, X, Y, "must be non-negative"),
        ({"var_smoothing": -1.0}, X, Y, "var_smoothing"),
        ({}, [[np.nan]], [0], "contains NaN"),
        ({}, [[1e200], [-1e200]], [0, 0], "scale the columns"),
        ({}, X, np.column_stack([Y, Y]), "y should be a 1d array"),
        ({}, X, Y + 0.5, "Unknown label type"),
        ({}, X, Y[:-1], "inconsistent numbers of samples"),
    ],
)
def test_refusals(parameters, rows, labels, message):
    with pytest.raises(ValueError, match=message):
        GaussianNB(**parameters).fit(rows, labels)


def test_what_batches_may_not_hold():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        GaussianNB().partial_fit(X, Y)
    model = GaussianNB().partial_fit(X, Y, classes=[0, 1, 2])
    before = model.theta_
    for arguments, message in [
        ((X, Y + 1), "not among the classes"),
        ((X[:, :2], Y), "2 features"),
        ((X, Y, [0, 1]), "not the same as on last call"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(*arguments)
    assert model.theta_ is before
    with pytest.raises(ValueError, match="sample_weight is 0"):
        GaussianNB().partial_fit(X, Y, [0, 1, 2], np.zeros(300))
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        GaussianNB().fit(sparse.csr_array(X), Y)


def test_probabilities_are_the_same_bits_on_the_processors_engines(on_engine):
    model = GaussianNB()
    with rmodels.config_context(engine="reference"):
        expected = model.fit(X, Y).predict_joint_log_proba(X)
    if on_engine != "gpu":
        assert_array_equal(model.predict_joint_log_proba(X), expected)
    assert_allclose(model.predict_joint_log_proba(X), expected, rtol=1e-13)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_queries_that_are_not_finite(value):
    queries = X.copy()
    queries[17, 2] = value
    for method in ("predict", "predict_proba", "predict_joint_log_proba"):
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            getattr(GaussianNB().fit(X, Y), method)(queries)
    with pytest.raises(ValueError, match="batch 1, row 18, column 2"):
        GaussianNB().fit(X, Y).predict(rmodels.scan(lambda: iter([queries])))
