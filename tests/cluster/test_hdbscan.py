import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from scipy.cluster.hierarchy import is_valid_linkage
from scipy.spatial.distance import cdist
from sklearn import cluster
from sklearn.cluster._hdbscan._tree import tree_to_labels
from sklearn.datasets import make_blobs
from sklearn.metrics import pairwise_distances

import rmodels
from rmodels import HDBSCAN
from rmodels.config import config_context
from rmodels.exceptions import NotCoveredError

X, _ = make_blobs(300, 3, centers=6, cluster_std=[0.3, 0.5, 0.8, 1.0, 1.2, 0.4], random_state=0)
WAYS = (
    {},
    {"min_samples": 3},
    {"min_cluster_size": 12, "min_samples": 4},
    {"cluster_selection_method": "leaf"},
    {"cluster_selection_epsilon": 0.9},
    {"cluster_selection_method": "leaf", "cluster_selection_epsilon": 0.7},
    {"max_cluster_size": 60},
    {"allow_single_cluster": True},
    {"allow_single_cluster": True, "cluster_selection_epsilon": 2.5},
    {"allow_single_cluster": True, "max_cluster_size": 40, "min_cluster_size": 30},
    {"alpha": 0.7},
)


def ours(**parameters):
    return HDBSCAN(copy=True, **parameters)


def theirs(**parameters):
    return cluster.HDBSCAN(copy=True, **parameters)


def assert_close(model, expected):
    """Labels are scikit-learn's, and what it rounds otherwise is within the bound of a sum.

    A distance of d features is rounded d + 2 times, and so is that of scikit-learn; λ and the
    strength once or twice more.
    """
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    bound = (X.shape[1] + 6) * 2.0**-52
    np.testing.assert_allclose(model.probabilities_, expected.probabilities_, rtol=bound, atol=0)


# what NumPy says of scikit-learn's code before it refuses it
their_scalars = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0")


def skip_if_numpy_refuses(error):
    """Skip a test whose scikit-learn takes an array for a number, which NumPy 2.4 refuses."""
    if "0-dimensional arrays" not in str(error):
        raise error
    pytest.skip(f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}: {error}")


def fit_theirs(A, **parameters):
    """Their model, where NumPy lets it look for clusters above others."""
    try:
        return theirs(**parameters).fit(A)
    except TypeError as error:
        skip_if_numpy_refuses(error)


@their_scalars
@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("k", [1, 2])
def test_clusters_are_scikit_learns(on_engine, k, way):
    """Without core distances but to the nearest, no two edges of these points weigh the same."""
    parameters = WAYS[way] | {"min_samples": k}
    expected, model = fit_theirs(X, **parameters), ours(**parameters).fit(X)
    assert_close(model, expected)
    assert model.engine_ == on_engine
    assert model.labels_.dtype == np.int64
    assert is_valid_linkage(model.single_linkage_tree_)


@their_scalars
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_the_same_tree_has_the_same_clusters(way):
    """Of edges that weigh the same scikit-learn's sort may take any first: it gets our order."""
    model = ours(**WAYS[way]).fit(X)
    try:
        labels, strengths = tree_to_labels(
            model._single_linkage_tree_,
            model.min_cluster_size,
            model.cluster_selection_method,
            model.allow_single_cluster,
            model.cluster_selection_epsilon,
            model.max_cluster_size,
        )
    except TypeError as error:
        skip_if_numpy_refuses(error)
    np.testing.assert_array_equal(model.labels_, labels)
    np.testing.assert_array_equal(model.probabilities_, strengths)


def assert_same_cuts(model, expected, distances):
    """The same rows are together at each distance, whichever edges of one weight are chosen."""
    for distance in distances:
        a, b = model.dbscan_clustering(distance, 1), expected.dbscan_clustering(distance, 1)
        _, first, codes = np.unique(b, return_index=True, return_inverse=True)
        np.testing.assert_array_equal(a, np.argsort(np.argsort(first))[codes])


@pytest.mark.parametrize("k", [2, 5, 30])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_cuts_are_scikit_learns(k, algorithm):
    model = ours(min_samples=k).fit(X)
    expected = theirs(min_samples=k, algorithm=algorithm).fit(X)
    heights, others = model.single_linkage_tree_[:, 2], expected._single_linkage_tree_["value"]
    # brute force has squares from products, whose rounding is that of the largest norm
    largest = (X**2).sum(axis=1).max()
    bound = 40 * 2.0**-52 * (largest if algorithm == "brute" else heights**2)
    assert (np.abs(heights**2 - others**2) <= bound).all()
    gaps = np.flatnonzero(np.diff(heights) > 1e-9)[::5]
    assert_same_cuts(model, expected, (heights[gaps] + heights[gaps + 1]) / 2)


def test_epsilon_takes_clusters_back():
    """Two pairs of clusters: those born at less than epsilon become what they split from."""
    line = np.concatenate([start + 0.1 * np.arange(5) for start in (0.0, 1.0, 20.0, 22.0, 90.0)])
    A = line[:, np.newaxis]

    def labels(epsilon, **parameters):
        model = ours(min_samples=2, cluster_selection_epsilon=epsilon, **parameters).fit(A)
        return model.labels_[::5].tolist()

    # the clusters split at distances of 67.6, 18.6, 1.6 and 0.6, those of the left first
    for method in ("leaf", "eom"):
        given = {"cluster_selection_method": method}
        assert labels(0.5, **given) == [1, 2, 3, 4, 0]
        assert labels(1.0, **given) == [1, 1, 2, 3, 0]
        assert labels(2.0, **given) == [1, 1, 2, 2, 0]
        assert labels(30.0, **given) == [0, 0, 0, 0, 1]
        # what splits off all points stays, unless all points may be one
        assert labels(80.0, **given) == [0, 0, 0, 0, 1]
        assert labels(80.0, allow_single_cluster=True, **given) == [0, 0, 0, 0, 0]


def test_ways_lead_to_different_clusters():
    """So that each parameter of the tests above is heard."""
    plain = ours().fit(X).labels_
    heard = [way for way in WAYS if (ours(**way).fit(X).labels_ != plain).any()]
    assert len(heard) >= 6
    heights = [ours(alpha=a).fit(X).single_linkage_tree_[:, 2].sum() for a in (0.7, 1.0)]
    assert heights[0] > heights[1]


def test_the_order_of_rows_says_nothing():
    order = np.random.default_rng(0).permutation(len(X))
    model, again = ours().fit(X), ours().fit(X[order])
    np.testing.assert_array_equal(again.probabilities_, model.probabilities_[order])
    pairs = set(zip(model.labels_[order].tolist(), again.labels_.tolist(), strict=True))
    assert len(pairs) == len(set(model.labels_))


def test_a_point_is_its_own_neighbour():
    """min_samples=3 is the second nearest of the others, where the package hdbscan wants 2."""
    line = np.array([[0.0], [1.0], [3.0], [6.0], [10.0]])
    model = ours(min_cluster_size=2, min_samples=3).fit(line)
    # core distances are 3, 2, 3, 4 and 7
    assert model.single_linkage_tree_[:, 2].tolist() == [3.0, 3.0, 4.0, 7.0]
    assert ours(min_cluster_size=2, min_samples=1).fit(line).single_linkage_tree_[
        :, 2
    ].tolist() == [1.0, 2.0, 3.0, 4.0]
    expected = theirs(min_cluster_size=2, min_samples=3).fit(line)
    assert expected._single_linkage_tree_["value"].tolist() == [3.0, 3.0, 4.0, 7.0]


@pytest.mark.parametrize("algorithm", ["auto", "ball_tree", "kd_tree", "brute"])
def test_the_same_by_each_algorithm(algorithm):
    expected = ours().fit(X)
    model = ours(algorithm=algorithm).fit(X)
    np.testing.assert_array_equal(model.single_linkage_tree_, expected.single_linkage_tree_)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ties_go_to_the_lesser_rows(on_engine, dtype, offset):
    """A grid on which every distance ties, and duplicates: the same by every engine."""
    line = np.arange(12.0)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    A = (np.concatenate([grid, grid[:40], grid[:20] + 0.25]) + offset).astype(dtype)
    with config_context(engine="reference"):
        expected = ours(min_cluster_size=4).fit(A)
    model = ours(min_cluster_size=4).fit(A)
    np.testing.assert_array_equal(model.single_linkage_tree_, expected.single_linkage_tree_)
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    np.testing.assert_array_equal(model.probabilities_, expected.probabilities_)


def test_duplicates_are_a_cluster():
    A = np.repeat([[0.0, 0.0], [5.0, 5.0], [9.0, 1.0]], [20, 8, 3], axis=0)
    model = ours().fit(A)
    # the last three drop out of the second cluster, which lasts for ever
    assert model.labels_.tolist() == [0] * 20 + [1] * 11
    assert model.probabilities_.tolist() == [1.0] * 28 + [0.0] * 3
    assert not (ours().fit(np.ones((30, 2))).labels_ + 1).any()
    assert not ours(allow_single_cluster=True).fit(np.ones((30, 2))).labels_.any()


METRICS = {
    "canberra": {},
    "sqeuclidean": {},
    "correlation": {},
    "haversine": {},
    "chebyshev": {},
    "cosine": {},
    "nan_euclidean": {},
    "seuclidean": {"V": np.array([1.0, 2.0, 3.0])},
    "mahalanobis": {"V": np.diag([1.0, 2.0, 3.0])},
    "minkowski": {"p": 3},
    "p": {"p": 1.5},
}


@pytest.mark.parametrize("metric", METRICS)
def test_metrics(metric):
    """By the distances of SciPy, up to their rounding: each cut of the tree is theirs."""
    A = X[:, :2] / 10 if metric == "haversine" else X
    model = ours(metric=metric, metric_params=METRICS[metric]).fit(A)
    name = "minkowski" if metric == "p" else metric
    parameters = METRICS[metric]
    if metric == "mahalanobis":
        parameters = {"VI": np.linalg.inv(parameters["V"])}
    distances = pairwise_distances(A, metric=name, **parameters)
    expected = ours(metric="precomputed").fit((distances + distances.T) / 2)
    heights = expected.single_linkage_tree_[:, 2]
    # cosine and its kin are differences of numbers near 1
    np.testing.assert_allclose(model.single_linkage_tree_[:, 2], heights, rtol=1e-12, atol=2.0**-49)
    gaps = np.flatnonzero(np.diff(heights) > 1e-9)
    between = (heights[gaps] + heights[gaps + 1])[-40:] / 2
    assert len(between) > 10
    assert_same_cuts(model, expected, between)


def test_functions_and_scales_of_the_points():
    A = X[:80]
    expected = ours(metric="chebyshev").fit(A)
    for parameters in (
        {"metric": lambda a, b: np.abs(a - b).max()},
        {"metric": "pyfunc", "metric_params": {"func": lambda a, b: np.abs(a - b).max()}},
    ):
        np.testing.assert_array_equal(ours(**parameters).fit(A).labels_, expected.labels_)
    for metric in ("seuclidean", "mahalanobis"):
        model = ours(metric=metric, algorithm="brute").fit(A)
        other = theirs(metric=metric, algorithm="brute").fit(A)
        np.testing.assert_array_equal(model.labels_, other.labels_)
        assert model.engine_ == "scipy"
    with config_context(engine="native"), pytest.raises(NotCoveredError, match="canberra"):
        ours(metric="canberra").fit(X)


def test_precomputed_distances():
    distances, points = cdist(X, X), ours().fit(X)
    before = distances.copy()
    for copy in (True, False):
        model = HDBSCAN(metric="precomputed", copy=copy).fit(distances)
        np.testing.assert_array_equal(distances, before)
        np.testing.assert_array_equal(model.single_linkage_tree_, points.single_linkage_tree_)
        assert_same_cuts(model, theirs(metric="precomputed").fit(distances), np.arange(0.1, 3, 0.3))
    short = before.astype(np.float32)
    model = ours(metric="precomputed", alpha=0.7).fit(short)
    expected = ours(metric="precomputed", alpha=0.7).fit(short.astype(np.float64))
    np.testing.assert_array_equal(model.single_linkage_tree_, expected.single_linkage_tree_)
    distances[distances > 3] = np.inf
    with pytest.warns(UserWarning, match="value infinity"):
        model = ours(metric="precomputed").fit(distances)
    with pytest.warns(UserWarning, match="value infinity"):
        expected = theirs(metric="precomputed").fit(distances)
    assert_same_cuts(model, expected, [0.5, 1.0, 3.5])
    for bad, message in (
        (distances[:5], "has shape"),
        (np.triu(before), "asymmetric"),
        (np.where(before > 9, np.nan, before), "np.nan values"),
    ):
        with pytest.raises(ValueError, match=message):
            ours(metric="precomputed").fit(bad)
    with pytest.raises(ValueError, match="in memory"):
        ours(metric="precomputed").fit(rmodels.scan(lambda: iter([pd.DataFrame(before)])))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
def test_graphs(kind):
    """Of a sparse matrix the entries: k of them to the core distance, a point itself if it is."""
    distances = cdist(X, X)
    shown = np.where(distances < np.quantile(distances, 0.5), distances, 0.0)
    graph = kind(shown)
    model = ours(metric="precomputed").fit(graph)
    np.testing.assert_array_equal(graph.toarray(), shown)
    expected = theirs(metric="precomputed").fit(graph)
    heights = model.single_linkage_tree_[:, 2]
    np.testing.assert_array_equal(heights, expected._single_linkage_tree_["value"])
    assert_same_cuts(model, expected, (heights[10::40] + heights[11::40]) / 2)
    # without an entry of its own, a point's k-th neighbour is one of the others
    points = ours(min_samples=6).fit(X)
    np.testing.assert_array_equal(heights, points.single_linkage_tree_[:, 2])
    few = kind(np.where(distances < np.quantile(distances, 0.02), distances, 0.0))
    with pytest.raises(ValueError, match="fewer than 5 neighbors"):
        ours(metric="precomputed").fit(few)
    apart = np.kron(np.eye(2), np.ones((9, 9)))
    with pytest.raises(ValueError, match="2 connected components"):
        ours(metric="precomputed").fit(kind(apart))
    with pytest.raises(ValueError, match="asymmetric"):
        ours(metric="precomputed").fit(kind(np.triu(shown)))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("density", [0.04, 0.5])
def test_sparse_rows(density, metric, kind):
    """Few entries are compared as they are, more as an array."""
    A = sparse.random_array((150, 30), density=density, random_state=0).toarray()
    A[A > 0] += 0.5
    dense = ours(metric=metric).fit(A)
    model = ours(metric=metric).fit(kind(A))
    bound = 40 * 2.0**-52  # each distance is a sum of at most 30 terms
    np.testing.assert_allclose(
        model.single_linkage_tree_[:, 2], dense.single_linkage_tree_[:, 2], rtol=bound, atol=bound
    )
    if metric != "manhattan":
        np.testing.assert_array_equal(model.labels_, dense.labels_)
    with pytest.raises(ValueError, match="only support algorithm `brute`"):
        ours(algorithm="ball_tree").fit(kind(A))


@pytest.mark.parametrize("metric", ["canberra", "sqeuclidean", "correlation"])
def test_distances_that_do_not_fit(metric):
    """A row at a time they are those of all at once, but for the rounding of another order."""
    for k in (1, 5):
        expected = ours(metric=metric, min_samples=k).fit(X)
        with config_context(memory_limit=1 << 20):
            model = ours(metric=metric, min_samples=k).fit(X)
        heights, others = model.single_linkage_tree_[:, 2], expected.single_linkage_tree_[:, 2]
        # sums of 3 features; correlation is a difference of numbers near 1
        np.testing.assert_allclose(heights, others, rtol=12 * 2.0**-52, atol=2.0**-49)
        assert model.engine_ == "scipy"


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_sparse_rows_that_do_not_fit(metric):
    """By products that bound the distances, and exact differences of the few that matter."""
    A = sparse.random_array((250, 700), density=0.02, random_state=0, format="csr")
    A.data += 0.5
    A = sparse.csr_array(sparse.vstack([A, A[:20], sparse.csr_array((3, 700))]))
    for k in (1, 5):
        expected = ours(metric=metric, min_samples=k).fit(A)
        with config_context(memory_limit=1 << 20):
            model = ours(metric=metric, min_samples=k).fit(A)
        assert model.engine_ == "scipy"
        bound = 710 * 2.0**-52  # sums of at most 700 terms, of normalised rows for cosine
        np.testing.assert_allclose(
            model.single_linkage_tree_[:, 2],
            expected.single_linkage_tree_[:, 2],
            rtol=bound,
            atol=bound,
        )


def test_rows_that_are_not_finite(on_engine):
    A = X.copy()
    A[0] = [np.inf, 1, 1]
    A[2] = [1, np.nan, 1]
    A[5] = [np.inf, np.nan, 1]
    A[9] = [np.inf, -np.inf, 0]  # NaN to scikit-learn, which adds the values up
    finite = np.isfinite(A).all(axis=1)
    model, clean = ours(store_centers="both").fit(A), ours(store_centers="both").fit(A[finite])
    assert model.labels_[~finite].tolist() == [-2, -3, -3, -2]
    np.testing.assert_array_equal(model.probabilities_[~finite], [0.0, np.nan, np.nan, 0.0])
    for name in ("labels_", "probabilities_"):
        np.testing.assert_array_equal(getattr(model, name)[finite], getattr(clean, name))
    np.testing.assert_array_equal(model.medoids_, clean.medoids_)
    cuts = model.dbscan_clustering(1.0)
    assert cuts[~finite].tolist() == [-2, -3, -3, -2]
    np.testing.assert_array_equal(cuts[finite], clean.dbscan_clustering(1.0))
    tree = model.single_linkage_tree_
    assert is_valid_linkage(tree)
    assert np.isinf(tree[-4:, 2]).all()
    assert sorted(tree[-4:, 0]) == [0, 2, 5, 9]
    as_sparse = ours().fit(sparse.csr_array(A))
    np.testing.assert_array_equal(as_sparse.labels_, model.labels_)
    large = np.array([[1e308, 1e308]] * 6 + [[0.0, 0.0]] * 6)  # whose sums are infinite
    with np.errstate(over="ignore"):
        assert ours().fit(large).labels_.tolist() == [0] * 6 + [1] * 6


def test_centres():
    model = ours(store_centers="both").fit(X)
    plain = ours(store_centers="both", min_samples=2).fit(X)
    expected = theirs(store_centers="both", min_samples=2).fit(X)
    # sums of at most 300 rows
    largest = np.abs(X).max()
    bound = {"rtol": 0, "atol": 300 * 2.0**-52 * largest}
    np.testing.assert_allclose(plain.centroids_, expected.centroids_, **bound)
    np.testing.assert_array_equal(plain.medoids_, expected.medoids_)
    one = {"allow_single_cluster": True, "cluster_selection_epsilon": 99.0}
    (medoid,) = ours(store_centers="medoid", **one).fit(X).medoids_
    np.testing.assert_array_equal(medoid, X[cdist(X, X).sum(axis=1).argmin()])
    with config_context(memory_limit=1 << 20):  # several blocks
        (again,) = ours(store_centers="medoid", **one).fit(X).medoids_
    np.testing.assert_array_equal(again, medoid)
    assert not hasattr(ours(store_centers="medoid").fit(X), "centroids_")
    assert not hasattr(
        ours(store_centers="both").fit(X).set_params(store_centers=None).fit(X), "medoids_"
    )
    as_sparse = ours(store_centers="both").fit(sparse.csr_array(X))
    np.testing.assert_allclose(as_sparse.centroids_, model.centroids_, **bound)
    np.testing.assert_array_equal(as_sparse.medoids_, model.medoids_)
    none = ours(store_centers="both", min_cluster_size=len(X)).fit(X)
    assert none.centroids_.shape == none.medoids_.shape == (0, 3)
    with pytest.raises(ValueError, match="Cannot store centers"):
        ours(store_centers="medoid", metric="precomputed").fit(cdist(X, X))


def test_the_condensed_tree_says_which_clusters_are_chosen():
    model = ours().fit(X)
    parents, children, _, sizes = model.condensed_tree_.T
    for number, chosen in enumerate(model.selected_clusters_):
        below = [chosen]
        for each in below:
            below += children[(parents == each) & (sizes > 1)].tolist()
        members = children[np.isin(parents, below) & (children < len(X))]
        np.testing.assert_array_equal(np.sort(members), np.flatnonzero(model.labels_ == number))


def test_rows_that_do_not_fit():
    table = pd.DataFrame(X, columns=list("abc"))
    rows = rmodels.scan(lambda: (table[i : i + 50] for i in range(0, 300, 50)))
    np.testing.assert_array_equal(ours().fit(rows).labels_, ours().fit(X).labels_)
    big = pd.DataFrame(np.zeros((50_000, 3)), columns=list("abc"))
    with config_context(memory_limit=1 << 20), pytest.raises(NotCoveredError, match="memory_limit"):
        ours().fit(rmodels.scan(lambda: iter([big])))


def test_refuses_before_work_starts():
    with pytest.warns(FutureWarning, match="will change from False to True"):
        HDBSCAN().fit(X)
    for bad, message in (([1.0], "2D array"), ([[1.0]], "n_samples=1"), (X[:4], "min_samples")):
        with pytest.raises(ValueError, match=message):
            ours().fit(bad)
    with pytest.raises(ValueError, match="at most the number of samples"):
        ours(min_samples=301).fit(X)
    for parameters in ({"min_cluster_size": 1}, {"min_samples": 0}, {"alpha": 0}, {"copy": "no"}):
        with pytest.raises(ValueError, match="parameter of HDBSCAN"):
            HDBSCAN(**parameters).fit(X)
    for algorithm, metric in (("kd_tree", "canberra"), ("ball_tree", "cosine")):
        with pytest.raises(ValueError, match="not a valid metric for a"):
            ours(algorithm=algorithm, metric=metric).fit(X)
    with config_context(engine="gpu"), pytest.raises(RuntimeError, match="gpu"):
        ours().fit(X)


@pytest.mark.parametrize("metric", ["seuclidean", "correlation", lambda x, y: np.nan])
def test_distances_that_are_no_numbers(metric):
    A = X.copy()
    A[:, 0] = 1.0  # of variance 0
    A[7] = 1.0  # which correlates with nothing
    with pytest.raises(ValueError, match="distances between some points are NaN"):
        ours(metric=metric, algorithm="brute").fit(A)


def test_graphs_stay_as_they_are():
    """Entries in any order, and twice, are their sums, and the caller's matrix is not changed."""
    whole = sparse.csr_array(cdist(X[:60], X[:60]))
    half = whole.copy()
    half.data = half.data / 2
    indices = np.concatenate(
        [half.indices.reshape(60, -1)[:, ::-1], half.indices.reshape(60, -1)], 1
    )
    data = np.concatenate([half.data.reshape(60, -1)[:, ::-1], half.data.reshape(60, -1)], 1)
    twice = sparse.csr_array((data.ravel(), indices.ravel(), 2 * half.indptr), shape=(60, 60))
    kept = twice.data.copy(), twice.indices.copy(), twice.indptr.copy()
    found = ours(metric="precomputed").fit(twice).labels_
    np.testing.assert_array_equal(found, ours(metric="precomputed").fit(whole).labels_)
    for part, before in zip((twice.data, twice.indices, twice.indptr), kept, strict=True):
        np.testing.assert_array_equal(part, before)


def test_a_tree_that_is_none_is_not_loaded(tmp_path):
    pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
    model = ours().fit(X)
    model.single_linkage_tree_[0, 0] = 3e7
    rmodels.save(model, tmp_path / "model")
    with pytest.raises(ValueError, match="its attributes do not fit together"):
        rmodels.load(tmp_path / "model")


def test_cuts_of_wrong_kinds():
    model = ours().fit(X)
    for wrong in ({"cut_distance": None}, {"cut_distance": 1.0, "min_cluster_size": 2.5}):
        with pytest.raises(TypeError, match=r"float|integer"):
            model.dbscan_clustering(**wrong)
    with pytest.raises(TypeError, match=r"pyfunc.*func"):
        ours(metric="pyfunc").fit(X)
