"""Nearest centroids: right values, digits, batches, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import neighbors

import rmodels
from rmodels import NearestCentroid, ops
from rmodels.exceptions import NotCoveredError

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 300)
X = RNG.standard_normal((300, 4)) * [1, 2, 3, 4] + Y[:, np.newaxis]
COUNTS = RNG.integers(0, 4, 300)
ENGINE = ops.choose("moments", "auto")
ATTRIBUTES = ("centroids_", "deviations_", "within_class_std_dev_", "class_prior_")


def assert_same_fit(ours, other, **tolerance):
    for name in ATTRIBUTES:
        assert_allclose(getattr(ours, name), getattr(other, name), err_msg=name, **tolerance)


def test_a_worked_example():
    rows, labels = [[0.0, 1.0], [2.0, 2.0], [9.0, 1.0], [11.0, 2.0]], ["b", "b", "a", "a"]
    model = NearestCentroid().fit(rows, labels)
    assert_array_equal(model.classes_, ["a", "b"])
    assert_array_equal(model.centroids_, [[10, 1.5], [1, 1.5]])
    # s² = (4 · 1) / (4 − 2) and (4 · ¼) / 2; s₀ is the mean of both s
    s = np.sqrt([2.0, 0.5])
    assert_allclose(model.within_class_std_dev_, s, rtol=1e-15)
    deviation = 4.5 / ((s[0] + s.mean()) * 0.5)
    assert_allclose(model.deviations_, [[deviation, 0], [-deviation, 0]], rtol=1e-15)
    near = np.log([0.5, 0.5]) * 2 - np.array([36, 9]) / 2 - 0.25 / 0.5
    assert_allclose(model.decision_function([[4.0, 1.0]]), near[1] - near[0], rtol=1e-14)
    shrunk = NearestCentroid(shrink_threshold=1.0).fit(rows, labels)
    assert_allclose(shrunk.deviations_[0, 0], deviation - 1, rtol=1e-15)
    assert_allclose(shrunk.centroids_[0], [5.5 + 4.5 * (1 - 1 / deviation), 1.5], rtol=1e-15)
    nothing = NearestCentroid(shrink_threshold=99.0).fit(rows, labels)
    assert_array_equal(nothing.centroids_, [[5.5, 1.5], [5.5, 1.5]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("priors", ["uniform", "empirical", [0.2, 0.3, 0.5]])
@pytest.mark.parametrize("threshold", [None, 0.5, 3.0])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_equal_to_scikit_learn(kind, metric, threshold, priors, dtype):
    rows = np.where(abs(X) < 0.5, 0.0, X).astype(dtype)
    given = {"metric": metric, "shrink_threshold": threshold, "priors": priors}
    ours = NearestCentroid(**given).fit(kind(rows), Y)
    theirs = neighbors.NearestCentroid(**given).fit(rows.astype(float), Y)
    assert ours.engine_ == ("scipy" if kind is sparse.csr_array else ENGINE)
    assert_same_fit(ours, theirs, rtol=1e-11, atol=1e-13)
    assert_array_equal(ours.predict(kind(rows)), theirs.predict(rows.astype(float)))
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        assert hasattr(ours, method) == hasattr(theirs, method)
        if hasattr(ours, method):
            found, expected = (
                getattr(model, method)(queries)
                for model, queries in ((ours, kind(rows)), (theirs, rows.astype(float)))
            )
            assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_weights_are_repeated_rows(kind, metric):
    model = NearestCentroid(metric, shrink_threshold=0.1, priors="empirical")
    weighted = model.fit(kind(X), Y, COUNTS)
    found = {name: getattr(weighted, name) for name in ATTRIBUTES}
    repeated = model.fit(np.repeat(X, COUNTS, 0), np.repeat(Y, COUNTS))
    for name, value in found.items():
        assert_allclose(value, getattr(repeated, name), rtol=1e-12, atol=1e-14)


def test_a_weighted_median_between_two_values():
    rows, labels = [[1.0], [2.0], [8.0], [5.0], [6.0]], [0, 0, 0, 1, 1]
    model = NearestCentroid("manhattan").fit(rows, labels, [1, 1, 2, 1, 3])
    assert_array_equal(model.centroids_, [[5], [6]])


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_sparse_rows_that_are_far(engine):
    rows = X.copy()
    rows[:, 1] += 1e8
    rows[:, 2] = np.where(RNG.random(300) < 0.9, 0.0, rows[:, 2])
    weights = COUNTS / 16
    with rmodels.config_context(engine=engine):
        found = NearestCentroid(shrink_threshold=0.1).fit(sparse.csr_array(rows), Y, weights)
    rows[:, 1] -= 1e8  # exact
    near = NearestCentroid(shrink_threshold=0.1).fit(rows, Y, weights)
    assert found.engine_ == ("scipy" if engine == "auto" else engine)
    for name in ("deviations_", "within_class_std_dev_"):
        # the reference does not know what rounding the means to 2⁻⁵³ of 1e8 lost
        tolerance = 1e-12 if engine == "auto" else 1e-7
        assert_allclose(getattr(found, name), getattr(near, name), rtol=tolerance, atol=1e-14)


@pytest.mark.parametrize(("dtype", "offset"), [(np.float64, 1e8), (np.float32, 1e5)])
def test_an_offset_costs_no_digits(dtype, offset):
    far = (X + offset).astype(dtype)
    near = far.astype(float) - offset  # exact
    found, expected = (NearestCentroid(priors=[0.2, 0.3, 0.5]).fit(A, Y) for A in (far, near))
    for name in ("deviations_", "within_class_std_dev_"):
        lost = 1e-11 if ENGINE == "native" else 40 * 2.0**-53 * offset  # of means that are rounded
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=lost)
    # a centroid is rounded to 2⁻⁵³ of the offset
    tolerance = 40 * 2.0**-53 * offset
    decided = expected.decision_function(near)
    assert_allclose(found.decision_function(far), decided, rtol=tolerance, atol=tolerance)
    gaps = np.diff(np.sort(decided, axis=1)[:, -2:]).ravel()
    sure = gaps > 100 * tolerance
    assert sure.mean() > 0.9
    assert_array_equal(found.predict(far)[sure], expected.predict(near)[sure])


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_batches_are_one_fit(offset):
    rows = X + offset
    whole = NearestCentroid(shrink_threshold=0.1).fit(rows, Y, COUNTS)
    batches = NearestCentroid(shrink_threshold=0.1)
    order = np.argsort(Y, kind="stable")  # most batches lack classes
    for part in np.array_split(order, 7):
        batches.partial_fit(rows[part], Y[part], classes=[2, 1, 0], sample_weight=COUNTS[part])
    assert_same_fit(batches, whole, rtol=1e-12, atol=1e-14)


def test_a_class_that_has_not_come_is_not_predicted():
    few = NearestCentroid().fit(X, Y)
    for priors in ("uniform", [0.1, 0.2, 0.3, 0.4]):
        model = NearestCentroid(priors=priors).partial_fit(X, Y, classes=[0, 1, 2, 3])
        assert_array_equal(model.centroids_[:3], few.centroids_)
        assert_array_equal(model.centroids_[3], 0)
        assert_array_equal(model.predict_proba(np.zeros((1, 4)))[:, 3], 0)
        assert set(model.predict(np.vstack([X, np.zeros((1, 4))]))) == {0, 1, 2}
    model = NearestCentroid().partial_fit(X, Y, classes=[0, 1, 2, 3])
    assert_array_equal(model.predict(X), few.predict(X))


def test_of_equal_distances_the_first_class_wins():
    for metric in ("euclidean", "manhattan"):
        model = NearestCentroid(metric).fit([[0.0], [2.0], [4.0], [6.0]], ["y", "y", "x", "x"])
        assert model.predict([[3.0]]).tolist() == ["x"]


def test_classes_that_do_not_vary():
    rows, labels = np.array([[0.0, 3.0], [0.0, 3.0], [1.0, 3.0], [1.0, 3.0]]), [0, 0, 1, 1]
    with pytest.warns(UserWarning, match="at least 1 zero standard deviation"):
        model = NearestCentroid(shrink_threshold=0.5).fit(rows, labels)
    assert_array_equal(model.within_class_std_dev_, [0, 0])
    assert_array_equal(model.centroids_, [[0, 3], [1, 3]])  # the threshold is a share of nothing
    assert_array_equal(model.predict([[0.4, 9.0], [0.6, 9.0]]), [0, 1])
    with pytest.warns(UserWarning, match="at least 1 zero standard deviation"):
        one_each = NearestCentroid().fit([[0.0], [4.0]], [0, 1])
    assert_array_equal(one_each.predict([[1.9], [2.1]]), [0, 1])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_no_column_varies(kind, engine):
    rows = kind(np.tile([0.1, 1e8 / 3, 0.0], (7, 1)))
    with (
        rmodels.config_context(engine=engine),
        pytest.raises(ValueError, match="All features have zero variance"),
    ):
        NearestCentroid().fit(rows, [0, 1, 1, 0, 0, 1, 0])


def test_classes_of_a_scan(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.array(["x", "y", "z"])[Y])
    frame.to_parquet(tmp_path / "rows.parquet")
    rows = rmodels.scan(tmp_path / "rows.parquet")
    model = NearestCentroid(priors="empirical").fit(rows, "kind")
    whole = NearestCentroid(priors="empirical").fit(frame[list("abcd")], frame["kind"])
    assert_array_equal(model.classes_, ["x", "y", "z"])
    assert_same_fit(model, whole, rtol=1e-13)
    assert model.score(rows, "kind") == whole.score(frame[list("abcd")], frame["kind"])
    with pytest.raises(NotCoveredError, match="need all rows in memory"):
        NearestCentroid("manhattan").fit(rows, "kind")


@pytest.mark.parametrize(
    ("parameters", "rows", "labels", "message"),
    [
        ({"metric": "cosine"}, X, Y, "metric"),
        ({"shrink_threshold": 0.0}, X, Y, "shrink_threshold"),
        ({"priors": "even"}, X, Y, "priors"),
        ({"priors": [0.5, 0.5]}, X, Y, "there are 3 classes"),
        ({"priors": [1.5, -0.5, 0.0]}, X, Y, "must be non-negative"),
        ({}, [[np.nan], [1.0]], [0, 1], "contains NaN"),
        ({}, sparse.csr_array([[np.inf], [1.0]]), [0, 1], "contains infinity"),
        ({}, [[1e200], [-1e200], [0.0]], [0, 0, 1], "scale the columns"),
        ({}, X, np.column_stack([Y, Y]), "y should be a 1d array"),
        ({}, X, Y + 0.5, "Unknown label type"),
        ({}, X, np.zeros(300), "greater than one; got 1 class"),
        ({}, X, Y[:-1], "inconsistent numbers of samples"),
    ],
)
def test_refusals(parameters, rows, labels, message):
    with pytest.raises(ValueError, match=message):
        NearestCentroid(**parameters).fit(rows, labels)


def test_what_batches_may_not_hold():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        NearestCentroid().partial_fit(X, Y)
    assert not hasattr(NearestCentroid("manhattan"), "partial_fit")
    model = NearestCentroid().partial_fit(X, Y, classes=[0, 1, 2])
    before = model.centroids_
    for arguments, message in [
        ((X, Y + 1), "not among the classes"),
        ((X[:, :2], Y), "2 features"),
        ((X, Y, [0, 1]), "not the same as on last call"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(*arguments)
    assert model.centroids_ is before
    with pytest.raises(ValueError, match="sample_weight is 0"):
        NearestCentroid().partial_fit(X, Y, [0, 1, 2], np.zeros(300))


def test_weights_too_small_for_a_spread():
    with pytest.raises(ValueError, match="adds up to 1, and has to be more than"):
        NearestCentroid().fit(X, Y, np.full(300, 1 / 300))


def test_priors_that_do_not_sum_to_one():
    with pytest.warns(UserWarning, match="The priors do not sum to 1"):
        model = NearestCentroid(priors=[1, 1, 2]).fit(X, Y)
    assert_array_equal(model.class_prior_, [0.25, 0.25, 0.5])


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("priors", ["uniform", [0.2, 0.3, 0.5]])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_queries_that_are_not_finite(value, priors, kind, metric):
    queries = X.copy()
    queries[17, 2] = value
    model = NearestCentroid(metric, priors=priors).fit(X, Y)
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        model.predict(kind(queries))


def test_many_rows_are_measured_in_blocks():
    rows = np.random.default_rng(1).standard_normal((4000, 3))
    labels = np.arange(4000) % 1500  # more distances than are held at a time
    model = NearestCentroid().fit(rows, labels)
    distances = np.zeros((4000, 1500))
    for x, centroid in zip(rows.T, model.centroids_.T, strict=True):
        distances += (x[:, np.newaxis] - centroid) ** 2
    assert_array_equal(model.predict(rows), distances.argmin(axis=1))


@pytest.mark.parametrize("light", [0.0, 1e-14])
def test_sparse_rows_that_are_far_beside_light_ones_without_entries(light):
    """What the weights of zeros add up to is no difference of sums of all weights."""
    rng = np.random.default_rng(1)
    A = rng.normal(size=(80, 3)) + 1e5
    empty = rng.random(80) < 0.1
    A[empty] = 0.0
    weights = np.where(empty, light, rng.random(80))
    dense, entries = (
        NearestCentroid().fit(X, np.arange(80) % 2, sample_weight=weights)
        for X in (A, sparse.csr_array(A))
    )
    found = entries.within_class_std_dev_
    np.testing.assert_allclose(found, dense.within_class_std_dev_, rtol=1e-12)
