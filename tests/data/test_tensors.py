"""Estimators on tensors and other arrays with DLPack: the answers of arrays, as what came in.

Without a GPU, tensors are viewed as arrays; to Triton's interpreter, they are on the GPU.
"""

import pickle

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

import rmodels
from rmodels import (
    BisectingKMeans,
    KMeans,
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    MiniBatchKMeans,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    Ridge,
    RidgeCV,
    kmeans_plusplus,
    ops,
    scan,
)
from rmodels.config import config_context
from rmodels.ops import device

torch = pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")

pytestmark = pytest.mark.gpu

PLACES = ["cpu"]
if ops.unavailable("gpu") is None and not device.is_interpreted():
    PLACES.append("cuda")

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)) + 0.5
QUERIES = np.concatenate([X[5:6], rng.normal(size=(16, 4))])
VALUES = X @ rng.normal(size=4) + 0.1 * rng.normal(size=60)
WEIGHTS = rng.integers(0, 3, 60) + 0.5
LABELS = rng.integers(0, 3, 60)


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


def engine_at(place):
    return "gpu" if place == "cuda" or device.is_interpreted() else ops.choose("nearest", "auto")


def tensor(values, place, dtype=None):
    return None if values is None else torch.tensor(values, device=place, dtype=dtype)


def both(make, place, *data):
    """Return the model fitted on tensors, and on arrays."""
    ours, theirs = make().fit(*(tensor(values, place) for values in data)), make().fit(*data)
    assert ours.engine_ == ("scipy" if theirs.engine_ == "scipy" else engine_at(place))
    return ours, theirs


def assert_same(ours, theirs, place, rtol=0.0, atol=0.0):
    if isinstance(theirs, (list, tuple)) or theirs.dtype == object:
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b, place, rtol, atol)
        return
    assert isinstance(ours, torch.Tensor)
    assert ours.device.type == place
    assert str(ours.dtype) == f"torch.{theirs.dtype}"
    np.testing.assert_allclose(ours.cpu(), theirs, rtol=rtol, atol=atol)


LINEAR = [
    {},
    {"solver": "rows"},
    {"solver": "gram"},
    {"fit_intercept": False},
    {"positive": True},
    {"iterations": 50},
    {"iterations": 0},
    {"iterations": 50, "learning_rate": 0.1, "fit_intercept": False},
    {"iterations": 20, "learning_rate": 0.1, "solver": "stream"},
    {"iterations": 20, "solver": "stream"},
    {"iterations": 20, "solver": "gram"},
]


@pytest.mark.parametrize("parameters", LINEAR, ids=str)
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_linear_regression(place, parameters, targets, weighted):
    y = VALUES if targets == 1 else np.stack([VALUES, X[:, 0] - 2 * VALUES], axis=1)
    data = [X, y, WEIGHTS] if weighted else [X, y]
    ours, theirs = both(lambda: LinearRegression(**parameters), place, *data)
    close = {"rtol": 1e-10, "atol": 1e-11}
    assert ours.solver_ == theirs.solver_
    assert_same(ours.coef_, theirs.coef_, place, **close)
    np.testing.assert_allclose(torch.as_tensor(ours.intercept_).cpu(), theirs.intercept_, **close)
    assert_same(ours.loss_history_, theirs.loss_history_, place, **close)
    queries = tensor(QUERIES, place)
    assert_same(ours.predict(queries), theirs.predict(QUERIES), place, **close)
    np.testing.assert_allclose(ours.predict(QUERIES), theirs.predict(QUERIES), **close)
    score = ours.score(tensor(X, place), tensor(y, place))
    np.testing.assert_allclose(score, theirs.score(X, y), rtol=1e-12)
    if ours.solver_ != "stream":
        assert_same(ours.singular_, theirs.singular_, place, rtol=1e-6, atol=1e-6)
        assert ours.rank_ == theirs.rank_


@pytest.mark.parametrize("parameters", [LINEAR[5], LINEAR[6], LINEAR[7]], ids=str)
@pytest.mark.parametrize("targets", [1, 2])
def test_gradient_descent_of_many_columns(place, parameters, targets):
    # columns enough for the GPU, and small enough for the learning rate
    wide = (np.random.default_rng(1).normal(size=(40, 300)) + 0.5) / 8
    y = wide[:, 0] if targets == 1 else np.stack([wide[:, 0], wide[:, 1] - 2 * wide[:, 2]], axis=1)
    ours, theirs = both(lambda: LinearRegression(solver="moments", **parameters), place, wide, y)
    close = {"rtol": 1e-10, "atol": 1e-11}
    assert_same(ours.coef_, theirs.coef_, place, **close)
    assert_same(ours.loss_history_, theirs.loss_history_, place, **close)
    np.testing.assert_allclose(ours.learning_rate_, theirs.learning_rate_, rtol=1e-12)
    on_device = engine_at(place) == "gpu"
    assert isinstance(vars(ours)["_history"], torch.Tensor) is on_device


@pytest.mark.parametrize("robust", [None, "HC3"])
@pytest.mark.parametrize("columns", [4, 9])
def test_summary(place, robust, columns):
    A = X if columns == 4 else np.vander(np.linspace(0, 1, 60), columns)[:, :-1].copy()
    data = A, VALUES, WEIGHTS
    ours, theirs = both(LinearRegression, place, *data)
    found = ours.summary(*(tensor(part, place) for part in data), robust=robust)
    expected = theirs.summary(*data, robust=robust)
    assert found.computed_from == expected.computed_from
    np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-8)
    if expected.computed_from == "moments":
        std = ours.predict(tensor(A, place), return_std=True)[1]
        assert_same(std, theirs.predict(A, return_std=True)[1], place, rtol=1e-8)


@pytest.mark.parametrize("parameters", [{}, {"positive": True}, {"iterations": 50}], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_partial_fit(place, parameters, weighted, offset):
    A = X + offset
    weights = np.where(np.arange(60) < 30, 0.0, WEIGHTS) if weighted else None
    theirs, ours = LinearRegression(**parameters), LinearRegression(**parameters)
    for part in (slice(30, 60), slice(30), slice(50)):
        batch = [None if a is None else a[part] for a in (A, VALUES, weights)]
        theirs.partial_fit(*batch)
        ours.partial_fit(*(tensor(a, place) for a in batch))
        assert ours.engine_ == engine_at(place)
        assert_same(ours.coef_, theirs.coef_, place, rtol=1e-11)
    queries = tensor(QUERIES + offset, place)
    assert_same(ours.predict(queries), theirs.predict(QUERIES + offset), place, rtol=1e-7)
    ours.partial_fit(A[:9], VALUES[:9])  # goes on with arrays
    assert isinstance(ours.coef_, np.ndarray)


RIDGES = [
    lambda: Ridge(),
    lambda: Ridge(0.5, positive=True),
    lambda: Ridge(2.0, fit_intercept=False),
    lambda: RidgeCV(),
    lambda: RidgeCV(scoring="neg_mean_absolute_error", store_cv_results=True),
    lambda: RidgeCV(store_cv_results=True, alpha_per_target=True),
    lambda: RidgeCV(cv=3),
]


@pytest.mark.parametrize("make", RIDGES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize(("rows", "columns"), [(60, 4), (6, 9)])
def test_ridge(place, make, weighted, targets, rows, columns):
    y = VALUES if targets == 1 else np.stack([VALUES, X[:, 0] - 2 * VALUES], axis=1)
    A, queries = (np.tile(part, 3)[:, :columns] ** 2 for part in (X, QUERIES))
    A[:, 4:] = np.sin(A[:, 4:] + np.arange(columns - 4))
    data = [part[:rows] for part in ([A, y, WEIGHTS] if weighted else [A, y])]
    given = [tensor(part, place) for part in data]
    ours, theirs = both(make, place, *data)
    close = {"rtol": 1e-9, "atol": 1e-11}
    assert_same(ours.coef_, theirs.coef_, place, **close)
    assert_same(ours.predict(tensor(queries, place)), theirs.predict(queries), place, **close)
    if isinstance(ours, RidgeCV):
        np.testing.assert_array_equal(ours.alpha_, theirs.alpha_)
        np.testing.assert_allclose(ours.best_score_, theirs.best_score_, **close)
        if ours.store_cv_results:
            assert_same(ours.cv_results_, theirs.cv_results_, place, **close)
    found = make().fit(data[0], *given[1:]).predict(tensor(queries, place))
    assert_same(found, theirs.predict(queries), place, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_ridge_of_short_floats(place, dtype):
    short = [tensor(part, place, getattr(torch, dtype)) for part in (X, VALUES)]
    for make in (Ridge, RidgeCV, lambda: RidgeCV(cv=3)):
        ours = make().fit(*short)
        theirs = make().fit(*(part.double().cpu().numpy() for part in short))
        assert ours.coef_.dtype in (torch.float32, torch.float64)
        np.testing.assert_allclose(ours.coef_.cpu(), theirs.coef_, rtol=1e-5, atol=1e-6)


CLUSTERS = {
    "k-means++": lambda: KMeans(5, random_state=0),
    "at random": lambda: KMeans(4, init="random", n_init=3, random_state=0),
    "of a function": lambda: KMeans(3, init=lambda A, k, random_state: A[:k]),
    "empty at first": lambda: KMeans(
        4, init=np.concatenate([X[:2], np.full((2, 4), 50.0)]), max_iter=2
    ),
    "one": lambda: KMeans(1),
    "mini-batches": lambda: MiniBatchKMeans(3, batch_size=20, random_state=0, max_iter=4),
    "bisections": lambda: BisectingKMeans(4, random_state=0),
    "bisections by count": lambda: BisectingKMeans(
        3, init="k-means++", bisecting_strategy="largest_cluster", random_state=0
    ),
}


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clusters_have_the_same_bits(place, name, weighted, dtype):
    data = [X.astype(dtype), None, WEIGHTS] if weighted else [X.astype(dtype)]
    ours, theirs = both(CLUSTERS[name], place, *data)
    assert_same(ours.cluster_centers_, theirs.cluster_centers_, place)
    assert_same(ours.labels_, theirs.labels_, place)
    assert ours.inertia_ == theirs.inertia_
    if isinstance(ours, KMeans):
        np.testing.assert_array_equal(ours.inertia_history_, theirs.inertia_history_)
    queries = QUERIES.astype(dtype)
    there = tensor(queries, place)
    assert_same(ours.predict(there), theirs.predict(queries), place)
    np.testing.assert_array_equal(ours.predict(queries), theirs.predict(queries))
    # squares are added in another order
    rtol = 16 * float(np.finfo(dtype).eps)
    assert_same(ours.transform(there), theirs.transform(queries), place, rtol=rtol)
    assert ours.score(there) == theirs.score(queries)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_clusters_of_short_floats(place, dtype):
    short = [tensor(part, place, getattr(torch, dtype)) for part in (X, QUERIES)]
    wide = [part.float().cpu().numpy() for part in short]
    ours, theirs = (KMeans(3, random_state=0).fit(part[0]) for part in (short, wide))
    assert_same(ours.labels_, theirs.labels_, place)
    # float16 becomes float64 on the processor: each is rounded once
    rtol = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(ours.cluster_centers_.cpu(), theirs.cluster_centers_, rtol=rtol)
    assert_same(ours.predict(short[1]), theirs.predict(wide[1]), place)


def test_clusters_of_parts_of_a_tensor(place):
    there = tensor(np.repeat(np.repeat(X.T, 2, axis=0), 3, axis=1), place)[::2, ::3].T
    weights = tensor(np.repeat(WEIGHTS, 2), place)[::2]
    ours = KMeans(5, random_state=0).fit(there, sample_weight=weights)
    theirs = KMeans(5, random_state=0).fit(X, sample_weight=WEIGHTS)
    assert_same(ours.labels_, theirs.labels_, place)
    assert_same(ours.cluster_centers_, theirs.cluster_centers_, place)
    found, rows = kmeans_plusplus(there, 4, random_state=0)
    expected = kmeans_plusplus(X, 4, random_state=0)
    assert_same(found, expected[0], place)
    np.testing.assert_array_equal(rows, expected[1])


def test_clusters_go_on_with_batches(place):
    ours, theirs = (MiniBatchKMeans(3, random_state=0) for _ in range(2))
    for part in (slice(30), slice(30, 60)):
        ours.partial_fit(tensor(X[part], place), sample_weight=tensor(WEIGHTS[part], place))
        theirs.partial_fit(X[part], sample_weight=WEIGHTS[part])
        assert_same(ours.cluster_centers_, theirs.cluster_centers_, place)
        assert_same(ours.labels_, theirs.labels_, place)


@pytest.mark.skipif(
    ops.unavailable("gpu") is not None, reason=f"no GPU engine: {ops.unavailable('gpu')}"
)
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, scan])
def test_clusters_of_what_is_copied_to_the_gpu(kind):
    with config_context(engine="gpu"):
        ours = KMeans(3, random_state=0).fit(kind(X), sample_weight=WEIGHTS)
        found = ours.predict(kind(QUERIES))
    theirs = KMeans(3, random_state=0).fit(X, sample_weight=WEIGHTS)
    assert ours.engine_ == "gpu"
    for ours_, theirs_ in (
        (ours.cluster_centers_, theirs.cluster_centers_),
        (ours.labels_, theirs.labels_),
        (found, theirs.predict(QUERIES)),
    ):
        assert isinstance(ours_, np.ndarray)
        np.testing.assert_array_equal(ours_, theirs_)


def test_clusters_of_what_is_not_finite(place):
    bad = X.copy()
    bad[7, 1] = np.inf
    for model in (KMeans(2), MiniBatchKMeans(2), BisectingKMeans(2)):
        with pytest.raises(ValueError, match="infinity"):
            model.fit(tensor(bad, place))


KEPT = {
    "least squares": lambda: LinearRegression(),
    "stream": lambda: LinearRegression(iterations=5, learning_rate=0.1, solver="stream"),
    "ridge": lambda: RidgeCV(),
    "search": lambda: NearestNeighbors(n_neighbors=3),
    "cosine": lambda: NearestNeighbors(n_neighbors=3, metric="cosine"),
    "votes": lambda: KNeighborsClassifier(n_neighbors=3, weights="distance"),
    "votes in a radius": lambda: RadiusNeighborsClassifier(0.8, outlier_label="most_frequent"),
    "means": lambda: KNeighborsRegressor(n_neighbors=3),
    "clusters": lambda: KMeans(3, random_state=0),
}


def saved(model, folder):
    rmodels.save(model, folder / "model.rmodel")
    return rmodels.load(folder / "model.rmodel")


def joblibbed(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


def pickled(model, folder):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("copied", [saved, pickled, joblibbed])
@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_kept_models_answer_the_same(place, copied, name, dtype, tmp_path):
    y = LABELS if "votes" in name else VALUES
    queries = tensor(QUERIES, place, getattr(torch, dtype))
    model = KEPT[name]().fit(tensor(X, place, getattr(torch, dtype)), tensor(y, place))
    copy = copied(model, tmp_path)
    assert copy.get_params() == model.get_params()
    if isinstance(model, NearestNeighbors):
        for given in (queries, queries.cpu().numpy()):
            for a, b in zip(copy.kneighbors(given), model.kneighbors(given), strict=True):
                assert type(a) is type(b)
                np.testing.assert_array_equal(torch.as_tensor(a).cpu(), torch.as_tensor(b).cpu())
        return
    found, expected = copy.predict(queries), model.predict(queries)
    assert found.device == expected.device
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.cpu(), expected.cpu(), rtol=1e-14, atol=1e-14)
    fresh = clone(copy).fit(X, y)
    np.testing.assert_array_equal(fresh.predict(QUERIES), KEPT[name]().fit(X, y).predict(QUERIES))


def test_points_of_a_scan(place):
    ours = NearestNeighbors(n_neighbors=3).fit(scan(X))
    theirs = NearestNeighbors(n_neighbors=3).fit(X)
    queries = tensor(QUERIES, place)
    assert_same(ours.kneighbors(queries), theirs.kneighbors(QUERIES), place)
    found, expected = ours.radius_neighbors(queries, 1.0), theirs.radius_neighbors(QUERIES, 1.0)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(np.sort(torch.as_tensor(a).cpu()), np.sort(b))


@pytest.mark.parametrize("columns", [5, 9, 12])
def test_ill_conditioned_least_squares(place, columns):
    powers = np.vander(np.linspace(0, 1, 60), columns)[:, :-1].copy()
    ours, theirs = both(LinearRegression, place, powers, VALUES)
    assert ours.solver_ == theirs.solver_
    assert_same(ours.coef_, theirs.coef_, place, rtol=1e-12)


def test_fewer_rows_than_columns(place):
    wide = np.random.default_rng(1).normal(size=(10, 30))
    ours, theirs = both(LinearRegression, place, wide, VALUES[:10])
    assert_same(ours.coef_, theirs.coef_, place, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_short_floats(place, dtype):
    short = [tensor(part, place, getattr(torch, dtype)) for part in (X, VALUES, QUERIES)]
    wide = [part.double().cpu().numpy() for part in short]
    for parameters in ({}, {"iterations": 30}):
        ours = LinearRegression(**parameters).fit(*short[:2])
        theirs = LinearRegression(**parameters).fit(*wide[:2])
        assert ours.coef_.dtype in (torch.float32, torch.float64)
        np.testing.assert_allclose(ours.coef_.cpu(), theirs.coef_, rtol=1e-5)
        predicted = ours.predict(short[2])
        np.testing.assert_allclose(predicted.cpu(), theirs.predict(wide[2]), rtol=1e-4, atol=1e-5)
    ours, theirs = NearestNeighbors().fit(short[0]), NearestNeighbors().fit(wide[0])
    assert_same(ours.kneighbors(short[2]), theirs.kneighbors(wide[2]), place)


def test_searches(place):
    ours, theirs = both(lambda: NearestNeighbors(n_neighbors=4, radius=1.5), place, X)
    queries = tensor(QUERIES, place)
    assert_same(ours.kneighbors(queries), theirs.kneighbors(QUERIES), place)
    indices = ours.kneighbors(queries, 2, return_distance=False)
    assert_same(indices, theirs.kneighbors(QUERIES, 2, return_distance=False), place)
    for a, b in zip(ours.kneighbors(), theirs.kneighbors(), strict=True):
        np.testing.assert_array_equal(torch.as_tensor(a).cpu(), b)
    for ordered in (False, True):
        found = ours.radius_neighbors(queries, sort_results=ordered)
        assert_same(found, theirs.radius_neighbors(QUERIES, sort_results=ordered), place)
    radii = np.linspace(0, 2, len(QUERIES))
    found = ours.radius_neighbors(queries, tensor(radii, place))
    assert_same(found, theirs.radius_neighbors(QUERIES, radii), place)
    for a, b in zip(ours.radius_neighbors()[1], theirs.radius_neighbors()[1], strict=True):
        np.testing.assert_array_equal(torch.as_tensor(a).cpu(), b)
    graphs = (model.kneighbors_graph(q) for model, q in ((ours, queries), (theirs, QUERIES)))
    assert abs(next(graphs) - next(graphs)).nnz == 0
    near, truth = ours.radius_neighbors_graph(queries), theirs.radius_neighbors_graph(QUERIES)
    assert abs(near - truth).nnz == 0


WEIGHINGS = ["uniform", "distance", lambda distances: np.exp(-distances)]


@pytest.mark.parametrize("weights", WEIGHINGS)
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_votes_of_the_nearest(place, weights, outputs, weighted):
    if weighted and callable(weights):
        pytest.skip("after a weighted fit, a callable gets an array of arrays")
    y = LABELS if outputs == 1 else np.stack([LABELS, 5 - LABELS % 2], axis=1)
    data = [X, y, WEIGHTS] if weighted else [X, y]
    ours, theirs = both(lambda: KNeighborsClassifier(n_neighbors=4, weights=weights), place, *data)
    queries = tensor(QUERIES, place)
    for classes, truth in zip(ours.classes_, theirs.classes_, strict=True):
        np.testing.assert_array_equal(torch.as_tensor(classes).cpu(), truth)
    assert_same(ours.predict(queries), theirs.predict(QUERIES), place)
    shares = ours.predict_proba(queries)
    assert_same(shares, theirs.predict_proba(QUERIES), place, rtol=1e-14)
    np.testing.assert_array_equal(torch.as_tensor(ours.predict(None)).cpu(), theirs.predict(None))
    if outputs == 1:
        score = ours.score(queries, tensor(LABELS[:17], place))
        assert score == theirs.score(QUERIES, LABELS[:17])


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("label", [1, "most_frequent"])
@pytest.mark.parametrize("weighted", [False, True])
def test_votes_within_a_radius(place, weights, label, weighted):
    data = [X, LABELS, WEIGHTS - 0.5] if weighted else [X, LABELS]
    ours, theirs = both(
        lambda: RadiusNeighborsClassifier(0.8, weights=weights, outlier_label=label), place, *data
    )
    queries = tensor(QUERIES, place)
    assert_same(ours.predict(queries), theirs.predict(QUERIES), place)
    shares = ours.predict_proba(queries)
    assert_same(shares, theirs.predict_proba(QUERIES), place, rtol=1e-14)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("y", [VALUES, VALUES.astype("f"), X[:, :2], LABELS])
def test_means(place, weights, y):
    for make in (
        lambda: KNeighborsRegressor(n_neighbors=4, weights=weights),
        lambda: RadiusNeighborsRegressor(9.0, weights=weights),
    ):
        ours, theirs = both(make, place, X, y)
        found = ours.predict(tensor(QUERIES, place))
        assert_same(found, theirs.predict(QUERIES), place, rtol=1e-14)
    ours = RadiusNeighborsRegressor(1e-9).fit(tensor(X, place), tensor(y, place))
    with pytest.warns(UserWarning, match="no neighbors within"):
        assert ours.predict(tensor(QUERIES, place)).isnan()[1:].all()


def test_labels_that_are_not_numbers(place):
    names = np.array(["a", "b", "c"])[LABELS]
    ours = KNeighborsClassifier().fit(tensor(X, place), names)
    found = ours.predict(tensor(QUERIES, place))
    np.testing.assert_array_equal(found, KNeighborsClassifier().fit(X, names).predict(QUERIES))


def test_arrays_and_tensors_mix(place):
    ours = KNeighborsRegressor().fit(tensor(X, place), VALUES)
    theirs = KNeighborsRegressor().fit(X, VALUES)
    assert_same(ours.predict(tensor(QUERIES, place)), theirs.predict(QUERIES), place)
    assert isinstance(ours.predict(QUERIES), np.ndarray)
    assert isinstance(ours.predict(QUERIES.tolist()), np.ndarray)


@pytest.mark.skipif(device.is_interpreted(), reason="to the interpreter, tensors are on the GPU")
def test_tensors_on_the_processor_are_not_copied():
    points = torch.from_numpy(X)
    assert NearestNeighbors().fit(points)._fit_X.ctypes.data == points.data_ptr()


class Foreign:
    """An array of another package, which has DLPack and the array API's namespace."""

    def __init__(self, values):
        self.values = values
        self.shape, self.dtype = values.shape, values.dtype

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __array_namespace__(self):
        return self

    def from_dlpack(self, array):
        # a copy: NumPy 2.0 takes arrays as read-only, and exports none of those
        return Foreign(np.array(np.from_dlpack(array)))


def test_dlpack():
    ours = LinearRegression().fit(Foreign(X), Foreign(VALUES))
    theirs = LinearRegression().fit(X, VALUES)
    for found, truth in (
        (ours.coef_, theirs.coef_),
        (ours.predict(Foreign(QUERIES)), theirs.predict(QUERIES)),
    ):
        assert isinstance(found, Foreign)
        np.testing.assert_array_equal(found.values, truth)


@pytest.mark.parametrize(
    ("fit", "error", "message"),
    [
        (lambda X, y: LinearRegression().fit(X * np.nan, y), ValueError, "contains NaN"),
        (lambda X, y: LinearRegression().fit(X, y.abs() / 0), ValueError, "y contains infinity"),
        (lambda X, y: LinearRegression().fit(X, y, -y.abs()), ValueError, "Negative values"),
        (lambda X, y: LinearRegression().fit(X, y, 0 * y), ValueError, "(?i)weight"),
        (lambda X, y: LinearRegression().fit(X, y[1:]), ValueError, "inconsistent numbers"),
        (lambda X, y: LinearRegression().fit(y, y), ValueError, "Expected 2D array"),
        (lambda X, y: LinearRegression().fit(X[:0], y[:0]), ValueError, "0 sample"),
        (
            lambda X, y: LinearRegression().fit(X, y).predict(X[:, 1:]),
            ValueError,
            "X has 3 features, but LinearRegression is expecting 4",
        ),
        (lambda X, y: KNeighborsClassifier().fit(X, y), ValueError, "Unknown label type"),
        (lambda X, y: NearestNeighbors().fit(X.abs() / 0), ValueError, "X contains infinity"),
    ],
)
def test_bad_input(place, fit, error, message):
    with pytest.raises(error, match=message):
        fit(tensor(X, place), tensor(VALUES, place))


@pytest.mark.skipif(
    "cuda" not in PLACES and not device.is_interpreted(), reason="needs the engine gpu"
)
def test_what_cannot_run_on_the_gpu_raises():
    points = tensor(X, PLACES[-1])
    with pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        NearestNeighbors(metric="canberra").fit(points)
    with pytest.raises(RuntimeError, match="cannot run on the GPU"):
        NearestNeighbors(metric="precomputed").fit(points)
    with (
        rmodels.config_context(engine="reference"),
        pytest.raises(RuntimeError, match="the data is on the GPU"),
    ):
        NearestNeighbors().fit(points)


@pytest.mark.skipif(ops.unavailable("gpu") is not None, reason="needs the engine gpu")
def test_the_engine_asked_for_moves_arrays():
    with rmodels.config_context(engine="gpu"):
        for model in (
            LinearRegression(),
            LinearRegression(iterations=9),
            Ridge(),
            RidgeCV(),
            RidgeCV(cv=3),
            KNeighborsRegressor(),
        ):
            found = model.fit(X, VALUES).predict(QUERIES)
            assert model.engine_ == "gpu"
            with rmodels.config_context(engine="reference"):
                truth = type(model)(**model.get_params()).fit(X, VALUES).predict(QUERIES)
            np.testing.assert_allclose(found, truth, rtol=1e-10)


@pytest.mark.skipif(ops.unavailable("gpu") is None, reason="the engine gpu can run here")
def test_the_engine_asked_for_says_why_it_cannot():
    with (
        rmodels.config_context(engine="gpu"),
        pytest.raises(RuntimeError, match="engine='gpu' cannot run: PyTorch"),
    ):
        LinearRegression().fit(torch.from_numpy(X), torch.from_numpy(VALUES))
