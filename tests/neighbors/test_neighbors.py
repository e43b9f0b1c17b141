import pickle
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neighbors as peers
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    NearestNeighbors,
    kneighbors_graph,
    radius_neighbors_graph,
)
from rmodels.config import config_context
from rmodels.ops.nearest import FEW

pytestmark = pytest.mark.usefixtures("on_engine")

METRICS = [
    {},
    {"p": 1},
    {"p": 3},
    {"p": np.inf},
    {"metric": "l2"},
    {"metric": "manhattan"},
    {"metric": "chebyshev"},
    {"metric": "cosine"},
    {"metric": "minkowski", "p": 1.5},
]


def _data(n=150, m=40, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)), rng


@pytest.mark.parametrize("parameters", METRICS)
@pytest.mark.parametrize("algorithm", ["auto", "brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_search_equals_scikit_learn(parameters, algorithm, dtype):
    X, Q, _ = _data()
    X, Q = X.astype(dtype), Q.astype(dtype)
    ours = NearestNeighbors(n_neighbors=7, algorithm=algorithm, **parameters)
    if parameters.get("metric") == "cosine" and algorithm.endswith("tree"):
        with pytest.raises(ValueError, match="Metric 'cosine' not valid"):
            ours.fit(X)
        return
    ours.fit(X)
    theirs = peers.NearestNeighbors(n_neighbors=7, algorithm="brute", **parameters)
    theirs.fit(X.astype(np.float64))
    for queries in (Q, None):
        distances, indices = ours.kneighbors(queries)
        expected = theirs.kneighbors(None if queries is None else queries.astype(np.float64))
        assert_array_equal(indices, expected[1])
        assert_allclose(distances, expected[0], rtol=1e-9)
        assert distances.dtype == np.float64
        assert indices.dtype == np.int64
        assert_array_equal(ours.kneighbors(queries, return_distance=False), indices)
    assert ours.effective_metric_ == theirs.effective_metric_
    for mode in ("connectivity", "distance"):
        graph = ours.kneighbors_graph(Q, 3, mode)
        peer = theirs.kneighbors_graph(Q.astype(np.float64), 3, mode)
        assert_allclose(graph.toarray(), peer.toarray(), rtol=1e-9)


@pytest.mark.parametrize("parameters", METRICS)
def test_radius_equals_scikit_learn(parameters):
    X, Q, _ = _data()
    radius = 0.3 if parameters.get("metric") == "cosine" else 1.5
    ours = NearestNeighbors(radius=radius, **parameters).fit(X)
    theirs = peers.NearestNeighbors(radius=radius, algorithm="brute", **parameters).fit(X)
    for queries in (Q, None):
        distances, indices = ours.radius_neighbors(queries, sort_results=True)
        assert distances.shape == indices.shape == (len(X if queries is None else Q),)
        expected = theirs.radius_neighbors(queries, sort_results=True)
        for row in range(len(indices)):
            assert_array_equal(indices[row], expected[1][row])
            assert_allclose(distances[row], expected[0][row], rtol=1e-9)
        only = ours.radius_neighbors(queries, return_distance=False)
        assert all(map(np.array_equal, only, map(np.sort, indices)))
    graph = ours.radius_neighbors_graph(Q, mode="distance").toarray()
    assert_allclose(graph, theirs.radius_neighbors_graph(Q, mode="distance").toarray(), rtol=1e-9)


def test_by_hand():
    model = NearestNeighbors(n_neighbors=2).fit([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    distances, indices = model.kneighbors([[0.0, 0.0]])
    assert_array_equal(indices, [[0, 2]])
    assert_array_equal(distances, [[0.0, 1.0]])
    distances, indices = model.kneighbors()
    assert_array_equal(indices, [[2, 1], [2, 0], [0, 1]])
    assert_allclose(distances, [[1, 5], [np.sqrt(18), 5], [1, np.sqrt(18)]], rtol=1e-15)


def test_equal_distances_come_by_index():
    X = np.zeros((200, 3))
    X[::2] = 1.0
    model = NearestNeighbors(n_neighbors=120).fit(X)
    distances, indices = model.kneighbors(np.zeros((1, 3)))
    assert_array_equal(indices[0], [*range(1, 200, 2), *range(0, 40, 2)])
    assert_array_equal(distances[0, :100], 0.0)
    # a point is left out of its own neighbours; behind more than k duplicates, the first of them
    own = model.kneighbors(n_neighbors=3, return_distance=False)
    assert_array_equal(own[1], [3, 5, 7])
    assert_array_equal(own[199], [3, 5, 7])


@pytest.mark.parametrize("weights", ["uniform", "distance", None, lambda d: 1 / (1 + d)])
@pytest.mark.parametrize("outputs", [None, 1, 2])
@pytest.mark.parametrize("labels", ["integers", "strings"])
def test_classifier_equals_scikit_learn(weights, outputs, labels):
    X, Q, rng = _data()
    Q[:5] = X[:5]  # neighbours at distance 0
    y = rng.integers(0, 4, len(X) if outputs is None else (len(X), outputs))
    if labels == "strings":
        y = np.array(["ant", "bee", "cat", "dog"])[y]
    ours, theirs = (
        Classifier(n_neighbors=6, weights=weights)
        for Classifier in (KNeighborsClassifier, peers.KNeighborsClassifier)
    )
    if outputs == 1:
        with pytest.warns(DataConversionWarning, match="column-vector"):
            ours.fit(X, y)
        with pytest.warns(DataConversionWarning, match="column-vector"):
            theirs.fit(X, y)
    else:
        ours.fit(X, y)
        theirs.fit(X, y)
    assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.outputs_2d_ == theirs.outputs_2d_
    for queries in (Q, None):
        assert_array_equal(ours.predict(queries), theirs.predict(queries))
        assert_allclose(ours.predict_proba(queries), theirs.predict_proba(queries), rtol=1e-12)
    if outputs is None:
        assert ours.score(Q, y[: len(Q)]) == theirs.score(Q, y[: len(Q)])
        assert ours.score(None, y) == accuracy_score(y, ours.predict(None))


def test_equal_votes_go_to_the_first_class():
    model = KNeighborsClassifier(n_neighbors=2).fit([[0.0], [1.0]], ["b", "a"])
    assert_array_equal(model.predict([[0.5], [0.0], [1.0]]), ["a", "a", "a"])
    assert_array_equal(model.predict_proba([[0.1]]), [[0.5, 0.5]])


@pytest.mark.parametrize("weights", ["uniform", "distance", None, lambda d: np.exp(-d)])
@pytest.mark.parametrize("outputs", [None, 1, 3])
def test_regressor_equals_scikit_learn(weights, outputs):
    X, Q, rng = _data()
    Q[:5] = X[:5]
    y = rng.standard_normal(len(X) if outputs is None else (len(X), outputs))
    ours = KNeighborsRegressor(weights=weights).fit(X, y)
    theirs = peers.KNeighborsRegressor(weights=weights).fit(X, y)
    for queries in (Q, None):
        assert_allclose(ours.predict(queries), theirs.predict(queries), rtol=1e-12)
    assert_allclose(ours.score(Q, y[: len(Q)]), theirs.score(Q, y[: len(Q)]), rtol=1e-12)


def test_regressor_of_integers_gives_means():
    model = KNeighborsRegressor(n_neighbors=2).fit([[0.0], [1.0], [5.0]], [0, 1, 7])
    assert_array_equal(model.predict([[0.4]]), [0.5])


def test_digits_leave_one_out():
    X, y = load_digits(return_X_y=True)
    model = KNeighborsClassifier(n_neighbors=3).fit(X, y)
    theirs = peers.KNeighborsClassifier(n_neighbors=3).fit(X, y)
    assert_array_equal(model.predict_proba(None), theirs.predict_proba(None))
    assert model.score(None, y) == theirs.score(None, y)


def test_weights_that_are_all_zero():
    model = KNeighborsClassifier(n_neighbors=1, weights=np.zeros_like).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="zero weights"):
        model.predict([[0.0]])


def test_records_engine_and_algorithm(engine):
    X, _, _ = _data()
    for algorithm in ("brute", "kd_tree", "auto"):
        model = NearestNeighbors(algorithm=algorithm).fit(X)
        assert model.engine_ == engine
        assert model.algorithm_ in ("brute", "tree")
        assert model.n_samples_fit_ == len(X)
    assert NearestNeighbors(algorithm="brute").fit(X).algorithm_ == "brute"


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames(package):
    frame = pytest.importorskip(package, reason=f"not installed: {package}").DataFrame
    X, Q, _ = _data(d=2)
    model = NearestNeighbors().fit(frame({"a": X[:, 0], "b": X[:, 1]}))
    assert_array_equal(model.feature_names_in_, ["a", "b"])
    found = model.kneighbors(frame({"a": Q[:, 0], "b": Q[:, 1]}))
    assert_array_equal(found[1], NearestNeighbors().fit(X).kneighbors(Q)[1])
    with pytest.raises(ValueError, match="feature names"):
        model.kneighbors(frame({"b": Q[:, 0], "a": Q[:, 1]}))


def test_pickle_and_clone():
    X, Q, rng = _data()
    model = KNeighborsClassifier(algorithm="kd_tree").fit(X, rng.integers(0, 2, len(X)))
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict(Q), model.predict(Q))
    assert_array_equal(copied.kneighbors(Q)[0], model.kneighbors(Q)[0])
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_points_of_a_fitted_estimator(algorithm):
    X, Q, _ = _data()
    expected = NearestNeighbors().fit(X).kneighbors(Q)
    for model in (
        NearestNeighbors(algorithm=algorithm),
        peers.NearestNeighbors(algorithm=algorithm),
    ):
        for found, truth in zip(
            NearestNeighbors().fit(model.fit(X)).kneighbors(Q), expected, strict=True
        ):
            assert_array_equal(found, truth)


def test_pipeline_and_grid_search():
    X, y = load_digits(return_X_y=True)
    found = [
        GridSearchCV(
            make_pipeline(StandardScaler(), Classifier()),
            {"kneighborsclassifier__n_neighbors": [1, 5]},
            cv=3,
        ).fit(X[:600], y[:600])
        for Classifier in (KNeighborsClassifier, peers.KNeighborsClassifier)
    ]
    assert found[0].best_params_ == found[1].best_params_
    assert found[0].best_score_ == found[1].best_score_


def test_threads_and_batches_do_not_change_the_result():
    X, Q, _ = _data(n=3000, m=300, d=12)
    model = NearestNeighbors(n_neighbors=9).fit(X)
    whole = model.kneighbors(Q)
    for n_threads in (1, 2, 3):
        with config_context(n_threads=n_threads):
            for found, expected in zip(model.kneighbors(Q), whole, strict=True):
                assert_array_equal(found, expected)
    one_by_one = np.vstack([model.kneighbors(q[np.newaxis])[1] for q in Q])
    assert_array_equal(one_by_one, whole[1])


def test_failed_fit_changes_nothing():
    X, Q, _ = _data()
    model = NearestNeighbors().fit(X)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(np.full((9, 2), np.nan))
    assert vars(model) == before
    model.kneighbors(Q)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[np.nan], [1.0]], "Input X contains NaN"),
        ([[np.inf], [1.0]], "Input X contains infinity"),
        ([0.0, 1.0], "Expected 2D array"),
        (np.empty((0, 2)), "0 sample"),
        (np.empty((2, 0)), r"0 feature\(s\)"),
        ([["a"], ["b"]], "holds text"),
    ],
)
def test_bad_points(X, message):
    for model in (KNeighborsClassifier(), KNeighborsRegressor()):
        with pytest.raises(ValueError, match=message):
            model.fit(X, [0, 1][: len(X)])
    with pytest.raises(ValueError, match=message):
        NearestNeighbors().fit(X)


@pytest.mark.parametrize(
    ("Q", "k", "error", "message"),
    [
        ([[np.nan, 0.0]], None, ValueError, "NaN"),
        ([[0.0]], None, ValueError, "expecting 2 features"),
        ([[0.0, 0.0]], 0, ValueError, "Expected n_neighbors > 0"),
        ([[0.0, 0.0]], 4, ValueError, "n_neighbors <= n_samples_fit, but n_neighbors = 4"),
        (None, 3, ValueError, "n_neighbors < n_samples_fit, but n_neighbors = 3"),
        ([[0.0, 0.0]], 1.5, TypeError, "enter integer value"),
    ],
)
def test_bad_queries(Q, k, error, message):
    model = NearestNeighbors(n_neighbors=2).fit([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    for queries in (Q, None if Q is None else np.array(Q)):
        with pytest.raises(error, match=message):
            model.kneighbors(queries, k)


def test_a_few_queries_are_checked_and_answered_as_many_are():
    X, Q, rng = _data(n=90)
    Q, y = np.float32(Q), rng.integers(0, 3, len(X))
    many = np.tile(Q, (200, 1))
    assert many.size * len(X) > FEW
    methods = ("kneighbors", "kneighbors_graph", "predict", "predict_proba")
    for model in (
        NearestNeighbors(),
        KNeighborsClassifier(weights="distance"),
        KNeighborsRegressor(),
        LocalOutlierFactor(novelty=True),
    ):
        model.fit(X, y)
        for name in (*methods, "score_samples", "decision_function"):
            method = getattr(model, name, None)
            if method is None:
                continue
            found, expected = method(Q), method(many)
            if name == "kneighbors_graph":
                found, expected = found.toarray(), expected.toarray()
            pairs = (
                zip(found, expected, strict=True) if name == "kneighbors" else [(found, expected)]
            )
            for few, all_of_them in pairs:
                assert few.dtype == all_of_them.dtype
                assert_array_equal(few, all_of_them[: len(Q)])
        with pytest.raises(ValueError, match="n_jobs == 0"):
            model.set_params(n_jobs=0).kneighbors(Q)
        with pytest.raises(ValueError, match="n_jobs == 0"):
            model.fit(X, y)
    records = np.zeros(len(Q), [("number", "i4"), ("point", "f4", (4,))])
    records["point"] = Q
    assert_array_equal(
        NearestNeighbors().fit(X).kneighbors(records["point"])[1],
        NearestNeighbors().fit(X).kneighbors(Q)[1],
    )
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    named = NearestNeighbors().fit(pandas.DataFrame(X, columns=list("abcd")))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        named.kneighbors(Q)


@pytest.mark.parametrize("metric", ["precomputed", "nan_euclidean", lambda x, z: 0.0])
def test_a_metric_that_is_set_after_the_fit_changes_nothing_before_the_next(metric):
    X, Q, _ = _data(n=90)
    many = np.tile(Q, (200, 1))
    model = NearestNeighbors().fit(X)
    expected = model.kneighbors(Q)
    model.set_params(metric=metric)
    for queries in (Q, many):
        for found, each in zip(model.kneighbors(queries), expected, strict=True):
            assert_array_equal(found[: len(Q)], each)
    Q[0, 0] = np.nan
    for queries in (Q, np.tile(Q, (200, 1))):
        with pytest.raises(ValueError, match="contains NaN"):
            model.kneighbors(queries)


def test_bad_parameters_and_use():
    X = [[0.0], [1.0]]
    with pytest.raises(ValueError, match="n_neighbors"):
        NearestNeighbors(n_neighbors=0).fit(X)
    with pytest.raises(ValueError, match="metric"):
        NearestNeighbors(metric="nonsense").fit(X)
    with pytest.raises(ValueError, match="algorithm"):
        NearestNeighbors(algorithm="nonsense").fit(X)
    with pytest.raises(ValueError, match="weights"):
        KNeighborsClassifier(weights="nonsense").fit(X, [0, 1])
    with pytest.raises(ValueError, match="Unknown label type"):
        KNeighborsClassifier().fit(X, [0.5, 1.5])
    with pytest.raises(ValueError, match="requires y"):
        KNeighborsClassifier().fit(X, None)
    with pytest.raises(NotFittedError):
        NearestNeighbors().kneighbors(X)
    model = NearestNeighbors(n_neighbors=1).fit(X)
    with pytest.raises(ValueError, match="Unsupported mode"):
        model.kneighbors_graph(X, mode="nonsense")
    with pytest.raises(ValueError, match="radius"):
        model.radius_neighbors(X, radius=-1.0)
    with pytest.raises(ValueError, match="return_distance must be True"):
        model.radius_neighbors(X, return_distance=False, sort_results=True)
    with pytest.warns(SyntaxWarning, match="Parameter p is found in metric_params"):
        NearestNeighbors(metric_params={"p": 1}).fit(X)


def test_graphs_have_the_indices_of_scikit_learns():
    X = np.random.default_rng(0).random((50, 2))
    for ours, theirs in (
        (kneighbors_graph(X, 3), peers.kneighbors_graph(X, 3)),
        (radius_neighbors_graph(X, 0.3), peers.radius_neighbors_graph(X, 0.3)),
    ):
        assert type(ours) is type(theirs)
        # SciPy's shortest paths take int32 alone in old versions
        assert (ours.indices.dtype, ours.indptr.dtype) == (
            theirs.indices.dtype,
            theirs.indptr.dtype,
        )


@pytest.mark.parametrize("radius", ["a", "1.5", ["a"], b"a", 1j, {}, object(), None, np.nan, -1.0])
def test_a_radius_is_a_number(radius):
    model = NearestNeighbors(radius=None).fit([[0.0], [1.0]])
    for search in (model.radius_neighbors, model.radius_neighbors_graph):
        with pytest.raises(ValueError, match="radius must be a number of at least 0"):
            search([[0.5]], radius=radius)
    found = model.radius_neighbors([[0.5]], radius=Fraction(1, 2), return_distance=False)
    assert found[0].tolist() == [0, 1]
