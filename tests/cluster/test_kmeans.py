"""k-means: right values, scikit-learn's draws, and the same bits everywhere."""

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning

import rmodels
from rmodels import BisectingKMeans, KMeans, MiniBatchKMeans, k_means, kmeans_plusplus, native
from rmodels.config import config_context
from rmodels.data import Rows
from rmodels.exceptions import NotCoveredError
from rmodels.solvers.lloyd import find_extent

POINTS = np.array([[0.0], [1.0], [9.0], [10.0], [100.0]])


def blobs(n=600, d=4, k=6, seed=0):
    rng = np.random.default_rng(seed)
    return 4 * rng.normal(size=(k, d))[rng.integers(0, k, n)] + rng.normal(size=(n, d))


def assert_labels_fit(model, X, weights=None):
    """Labels and inertia are those of the centres, by the definition in float64."""
    X, centres = np.asarray(X, dtype=np.float64), np.asarray(model.cluster_centers_, np.float64)
    squares = np.zeros((len(X), len(centres)))
    for x, m in zip(X.T, centres.T, strict=True):
        squares += (x[:, np.newaxis] - m) ** 2
    np.testing.assert_array_equal(model.labels_, squares.argmin(axis=1))
    least = squares.min(axis=1) if weights is None else weights * squares.min(axis=1)
    assert model.inertia_ == pytest.approx(least.sum(), rel=1e-13)  # n roundings of the sum


def assert_same_bits(ours, expected):
    for name in ("cluster_centers_", "labels_", "inertia_", "n_iter_", "inertia_history_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


def test_centres_without_a_row_take_the_farthest(on_engine):
    model = KMeans(3, init=[[4.0], [1000.0], [-1000.0]]).fit(POINTS)
    assert sorted(model.cluster_centers_.ravel()) == [0.5, 9.5, 100.0]
    assert (model.inertia_, model.n_iter_) == (1.0, 3)
    # the first such centre takes the farthest row: 100, and the next one 10
    np.testing.assert_array_equal(model.cluster_centers_.ravel(), [0.5, 100.0, 9.5])


def test_centres_that_are_right_stay(on_engine):
    model = KMeans(2, init=[[0.5], [9.5]]).fit(POINTS[:4])
    assert (model.inertia_, model.n_iter_) == (1.0, 1)
    np.testing.assert_array_equal(model.inertia_history_, [1.0])


def test_labels_fit_centres_that_were_moved_last(on_engine):
    """Two centres on one place, of which one never has a row: it moves in every iteration."""
    X = np.array([[0.0], [0.0], [1.0], [5.0], [5.0], [6.5]])
    for max_iter in (1, 2, 300):
        model = KMeans(4, init=[[0.0], [0.0], [5.0], [5.0]], max_iter=max_iter).fit(X)
        assert_labels_fit(model, X)


def test_the_tolerance_is_of_variances_without_weights(on_engine):
    X, w = blobs(), np.random.default_rng(1).random(600) ** 4
    for tol in (0.0, 1e-3, 0.1, 1.0):
        theirs = cluster.KMeans(6, tol=tol, random_state=0).fit(X, sample_weight=w)
        ours = KMeans(6, tol=tol, random_state=0).fit(X, sample_weight=w)
        assert ours.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("seed", range(4))
def test_begins_and_ends_as_scikit_learn(on_engine, seed, init, weighted):
    X = blobs(seed=seed)
    w = np.random.default_rng(seed).random(len(X)) if weighted else None
    given = {"init": init, "n_init": 2, "random_state": seed}
    theirs = cluster.KMeans(7, **given).fit(X, sample_weight=w)
    ours = KMeans(7, **given).fit(X, sample_weight=w)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10)
    assert_labels_fit(ours, X, w)
    np.testing.assert_array_equal(ours.predict(X), ours.labels_)


@pytest.mark.parametrize("trials", [None, 1, 9])
@pytest.mark.parametrize("seed", range(3))
def test_seeds_are_those_of_scikit_learn(on_engine, seed, trials):
    X, w = blobs(3000, seed=seed), np.random.default_rng(9).random(3000)
    given = {"random_state": seed, "n_local_trials": trials, "sample_weight": w}
    theirs = cluster.kmeans_plusplus(X, 20, **given)
    for rows in (X, sparse.csr_array(X)):
        centres, places = kmeans_plusplus(rows, 20, **given)
        np.testing.assert_array_equal(places, theirs[1])
        np.testing.assert_array_equal(centres, X[places])


def test_elkan_is_the_same():
    X = blobs()
    assert_same_bits(
        KMeans(6, random_state=0, algorithm="elkan").fit(X), KMeans(6, random_state=0).fit(X)
    )


@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_float32_far_from_zero(on_engine, offset):
    X = (blobs() + offset).astype(np.float32)
    model = KMeans(6, random_state=0).fit(X)
    assert model.cluster_centers_.dtype == np.float32
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    assert_labels_fit(model, X)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_grids_and_duplicates_where_distances_tie(on_engine, d):
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * d), axis=-1).reshape(-1, d)
    for X in (grid, np.repeat(grid[:20], 5, axis=0)):
        model = KMeans(5, init=X[: 5 * 1], random_state=0).fit(X)
        assert_labels_fit(model, X)


def test_as_many_clusters_as_rows(on_engine):
    X = blobs(30)
    model = KMeans(30, random_state=0).fit(X)
    # each centre is its row, to two roundings of its distance from the middle
    assert model.inertia_ <= X.size * (4 * 2.0**-52 * np.ptp(X)) ** 2
    assert len(set(model.labels_)) == 30


def test_fewer_rows_that_differ_than_clusters(on_engine):
    X = np.repeat([[0.0, 1.0], [2.0, 3.0]], 5, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"Number of distinct clusters \(2\) found smaller"):
        model = KMeans(4, random_state=0).fit(X)
    assert model.inertia_ == 0


def test_history_goes_down_to_the_inertia(on_engine):
    X = blobs()
    model = KMeans(9, init="random", random_state=1, tol=0).fit(X)
    assert len(model.inertia_history_) == model.n_iter_ > 3
    # to the rounding of the squares about the middle, of which each is at most 64 of the columns
    slack = 1e-15 * (X**2).sum()
    assert (np.diff(model.inertia_history_) <= slack).all()
    assert model.inertia_history_[-1] == pytest.approx(model.inertia_, abs=slack)


def _parts(X, step):
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    return frame, [frame[i : i + step] for i in range(0, len(frame), step)]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_same_bits_everywhere(monkeypatch, weighted):
    """For 1, 2 and 5 threads, every instruction set, batches of a scan, and partitions."""
    X = blobs(9000, 5, 9)
    X[0] = 1e5  # far from the others, so that a sum has many places
    w = np.random.default_rng(3).random(9000) if weighted else None
    given = {"n_clusters": 40, "init": "random", "n_init": 1, "random_state": 0, "max_iter": 12}
    with config_context(engine="reference"):
        expected = KMeans(**given).fit(X, sample_weight=w)
    for name in native.instruction_sets():
        monkeypatch.setenv("RMODELS_ISA", name)
        for n_threads in (1, 2, 5):
            with config_context(n_threads=n_threads):
                assert_same_bits(KMeans(**given).fit(X, sample_weight=w), expected)
    frame, _ = _parts(X, 700)
    columns, weight = list(frame), None
    if weighted:
        frame["w"], weight = w, "w"
    for step in (700, 4001):
        rows = rmodels.scan(
            lambda step=step: (frame[i : i + step] for i in range(0, 9000, step)),
            columns if not weighted else None,
        )
        assert_same_bits(KMeans(**given).fit(rows, sample_weight=weight), expected)


def test_a_scan_in_other_parts_each_time_it_is_read():
    """What is known of its rows is of no use then; some of the parts are empty."""
    X = blobs(9000, 5, 9)
    frame, reads = _parts(X, 700)[0], itertools.count()

    def parts():
        step = 1000 + 100 * (next(reads) % 3)
        for first in range(0, 9000, step):
            yield frame[first : first + step]
            yield frame[:0]

    given = {"n_clusters": 40, "init": X[:40], "n_init": 1, "max_iter": 12}
    assert_same_bits(KMeans(**given).fit(rmodels.scan(parts)), KMeans(**given).fit(X))


def test_the_same_bits_on_a_cluster():
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    X = blobs(5000, 3, 5)
    expected = KMeans(12, random_state=0).fit(X)
    model = KMeans(12, random_state=0).fit(dask.from_array(X, chunks=(1300, 3)))
    assert_same_bits(model, expected)
    np.testing.assert_array_equal(
        model.predict(dask.from_array(X, chunks=(999, 3))).compute(), expected.labels_
    )


def test_order_of_rows_changes_no_bit_of_centres():
    X, init = blobs(3000), blobs(8, seed=5)
    shuffled = np.random.default_rng(0).permutation(3000)
    first, second = (KMeans(8, init=init).fit(A) for A in (X, X[shuffled]))
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
    assert first.inertia_ == second.inertia_
    np.testing.assert_array_equal(first.labels_[shuffled], second.labels_)


@pytest.mark.parametrize("order", ["C", "F"])
def test_sparse_and_strided_rows_are_the_same(order):
    X = np.where(blobs() > 0, blobs(), 0.0)
    expected = KMeans(6, random_state=0).fit(X)
    for rows in (sparse.csr_array(X), sparse.csc_matrix(X), np.asarray(X, order=order)):
        model = KMeans(6, random_state=0).fit(rows)
        assert_same_bits(model, expected)
        np.testing.assert_array_equal(model.predict(rows), expected.labels_)
        np.testing.assert_array_equal(model.transform(rows), expected.transform(X))
        assert model.score(rows) == -expected.inertia_


def test_a_sample_begins_what_does_not_fit():
    """A scan larger than a quarter of the limit is clustered from a uniform sample of it."""
    X = blobs(60_000, 8, 4)  # 3.8 MB
    rows = rmodels.scan(
        lambda: (
            pd.DataFrame(X[i : i + 9000], columns=list("abcdefgh")) for i in range(0, 60_000, 9000)
        )
    )
    with config_context(memory_limit=1 << 20):
        model, again = (KMeans(4, random_state=0).fit(rows) for _ in range(2))
    assert_same_bits(model, again)
    assert_labels_fit(model, X)
    assert model.inertia_ == pytest.approx(KMeans(4, random_state=0).fit(X).inertia_, rel=0.01)


def test_transform_is_by_differences():
    X = blobs() + 1e8
    model = KMeans(3, random_state=0).fit(X)
    found = model.transform(X)
    expected = np.sqrt(((X[:, np.newaxis] - model.cluster_centers_) ** 2).sum(axis=2))
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    near = blobs().astype(np.float32)  # at 1e8, float32 is a multiple of 8
    assert KMeans(3, random_state=0).fit(near).transform(near).dtype == np.float32


def test_function_gives_what_the_class_gives():
    X = blobs()
    model = KMeans(6, random_state=0).fit(X)
    centres, labels, inertia, n_iter = k_means(X, 6, random_state=0, return_n_iter=True)
    np.testing.assert_array_equal(centres, model.cluster_centers_)
    np.testing.assert_array_equal(labels, model.labels_)
    assert (inertia, n_iter) == (model.inertia_, model.n_iter_)


def test_callables_get_the_rows(on_engine):
    X, seen = blobs(), []

    def init(rows, n_clusters, random_state):
        seen.append(rows)
        return rows[:n_clusters]

    model = KMeans(6, init=init, n_init=3).fit(X)
    assert len(seen) == 3
    np.testing.assert_array_equal(seen[0], X)
    assert_same_bits(model, KMeans(6, init=X[:6]).fit(X))


@pytest.mark.parametrize(
    ("parameters", "rows", "message"),
    [
        ({"n_clusters": 9}, POINTS, "n_samples=5 should be >= n_clusters=9"),
        ({"n_clusters": 2, "init": [[1.0]]}, POINTS, "does not match the number of clusters 2"),
        ({"n_clusters": 1, "init": [[1.0, 2.0]]}, POINTS, "the number of features of the data 1"),
        ({"n_clusters": 1}, [[np.nan]], "contains NaN"),
        ({"n_clusters": 1}, [[np.inf]], "contains infinity"),
        ({"n_clusters": 1, "init": [[np.nan]]}, POINTS, "contains NaN"),
    ],
)
def test_errors(on_engine, parameters, rows, message):
    with pytest.raises(ValueError, match=message):
        KMeans(**parameters).fit(rows)


def test_warns_of_runs_that_are_not_made():
    with pytest.warns(
        RuntimeWarning, match="performing only one init in KMeans instead of n_init=3"
    ):
        KMeans(2, init=[[0.0], [9.0]], n_init=3).fit(POINTS)
    with pytest.warns(RuntimeWarning, match="doesn't make sense for a single cluster"):
        KMeans(1, algorithm="elkan").fit(POINTS)


def test_tells_of_iterations(capsys):
    KMeans(2, init=[[0.0], [1.0]], verbose=1).fit(POINTS[:4])
    told = capsys.readouterr().out
    assert "Initialization complete\nIteration 0, inertia " in told
    assert "Converged at iteration 2: strict convergence." in told


def test_memory_beyond_the_rows():
    X = blobs(100_000, 20, 100)
    init = X[:100].copy()
    KMeans(100, init=init, max_iter=2).fit(X)  # what is imported and kept for good
    tracemalloc.start()
    KMeans(100, init=init, max_iter=5).fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("n", [5, 63, 64, 65, 200])
def test_extent_is_of_all_rows(n):
    """Whatever rows are taken together; and what is not finite is found wherever it is."""
    X = np.random.default_rng(n).normal(size=(n, 3))
    for rows in (X, np.asfortranarray(X), X[::-1, ::2], sparse.csr_array(X)):
        found = find_extent(Rows(rows))
        dense = rows.toarray() if sparse.issparse(rows) else rows
        np.testing.assert_array_equal(found.low, dense.min(axis=0))
        np.testing.assert_array_equal(found.high, dense.max(axis=0))
    for place in (0, n // 2, n - 1):
        wrong = X.copy()
        wrong[place, 1] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            KMeans(2, random_state=0).fit(wrong)


def test_what_draws_rows_says_what_it_lacks():
    X = np.arange(6.0).reshape(6, 1)
    with pytest.raises(ValueError, match="draws 3 different rows, and 2 have a weight above 0"):
        KMeans(3, init="random").fit(X, sample_weight=[1, 1, 0, 0, 0, 0])
    da = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    with pytest.raises(NotCoveredError, match="give an array, or have KMeans draw"):
        kmeans_plusplus(da.from_array(X), 2)


@pytest.mark.parametrize(
    "line", [[-3.0, -2.0, -1.0, 10.0], [-3.0, -2.0, -1.0, -1.5, -2.5, 30.0]], ids=len
)
def test_rows_too_far_for_float32(on_engine, line):
    """Their distances are by float64, where all are the same: the first centre is the nearest."""
    X = np.array(line)[:, np.newaxis]
    model = KMeans(len(X), init=X, n_init=1).fit(X)
    assert model.predict([[1e40], [-1e40]]).tolist() == [0, 0]
    assert model.predict([[20.0]]).tolist() == [len(X) - 1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "init"),
    [
        (KMeans, "k-means++"),
        (KMeans, "random"),
        (KMeans, "array"),
        (MiniBatchKMeans, "k-means++"),
        (MiniBatchKMeans, "random"),
        (MiniBatchKMeans, "array"),
        (BisectingKMeans, "k-means++"),
        (BisectingKMeans, "random"),
    ],
)
def test_rows_whose_squares_overflow_are_an_error(on_engine, kind, init, weighted):
    X = np.random.default_rng(0).normal(size=(30, 2))
    w = (np.arange(30) % 3 > 0) * 1.0 if weighted else None

    def fit(scale):
        start = scale * X[:3] if init == "array" else init
        return kind(3, init=start, n_init=1, tol=0.0, random_state=0).fit(scale * X, None, w)

    np.testing.assert_array_equal(fit(2.0**500).labels_, fit(1.0).labels_)
    for scale in (1e155, 1e200, 1e307):
        with pytest.raises(ValueError, match="more than float64 holds: scale the columns"):
            fit(scale)


@pytest.mark.parametrize("weights", [None, [0.0, 1.0, 0.0, 1.0]])
def test_seeds_whose_squares_overflow_are_an_error(on_engine, weights):
    X = np.array([[1.0], [2.0], [8.0], [9.0]])
    for scale in (1e155, 1e200, 1e307):
        with pytest.raises(ValueError, match="more than float64 holds: scale the columns"):
            kmeans_plusplus(scale * X, 2, sample_weight=weights, random_state=0)


def test_sums_of_squares_that_overflow_are_an_error(on_engine):
    """Of several blocks and parts, each of which has a sum."""
    X = np.random.default_rng(0).normal(size=(12_000, 8)) * 5e151
    with config_context(memory_limit=1 << 20):
        for rows in (X, sparse.csr_array(X)):
            with pytest.raises(ValueError, match="more than float64 holds"):
                kmeans_plusplus(rows, 3, random_state=0)
            with pytest.raises(ValueError, match="more than float64 holds"):
                KMeans(3, random_state=0).fit(rows)


def test_squares_that_float64_just_holds(on_engine):
    X = np.array([[0.0], [1.2e154]])
    assert KMeans(2, random_state=0).fit(X).inertia_ == 0
    assert sorted(kmeans_plusplus(X, 2, random_state=0)[1]) == [0, 1]
    assert kmeans_plusplus(X, 1, random_state=0)[0].shape == (1, 1)
    far = np.full((60, 2), [1.0, 1e306])  # a column that does not vary
    far[30:, 0] = 5
    assert KMeans(2, random_state=0).fit(far).inertia_ == 0


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_centres_too_far_to_be_measured_are_an_error(on_engine, kind):
    far = np.array([[1e200], [0.0]])
    for init in (far, lambda X, n_clusters, random_state: far):
        with pytest.raises(ValueError, match="more than float64 holds"):
            kind(2, init=init, n_init=1).fit(POINTS)


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans, BisectingKMeans])
def test_weighted_squares_that_overflow_are_an_error(on_engine, kind):
    X, w = 1e120 * np.repeat([[0.0], [1.0], [9.0], [10.0]], 2, axis=1), np.full(4, 1e100)
    for labels in (True, False):
        model = kind(2, init="random", n_init=1, random_state=0)
        if kind is MiniBatchKMeans:
            model.set_params(compute_labels=labels)
        with pytest.raises(ValueError, match="more than float64 holds"):
            model.fit(X, sample_weight=w)
    model = kind(2, n_init=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="more than float64 holds"):
        model.score(X[::-1], sample_weight=[1e100, 1e100, 1e100, 0.0])
    with pytest.raises(ValueError, match="more than float64 holds"):
        model.score([[1e200, 0.0]])


def test_the_variance_is_looked_at_without_weights(on_engine):
    """The sum of squares overflows, though that of weighted squares does not."""
    X = np.random.default_rng(0).normal(size=(300, 2)) * 1e153
    for kind, w in ((KMeans, np.full(300, 1e-50)), (MiniBatchKMeans, None)):
        with pytest.raises(ValueError, match="more than float64 holds"):
            kind(2, init="random", n_init=1, tol=1e-4, random_state=0).fit(X, sample_weight=w)


def test_rows_without_weight_draw_no_centres(on_engine):
    for init in ("k-means++", "random"):
        with pytest.raises(ValueError, match="drawn by their weights, and all of them are 0"):
            MiniBatchKMeans(2, init=init).partial_fit(POINTS, sample_weight=np.zeros(5))
    model = MiniBatchKMeans(2, init=POINTS[:2], n_init=1)
    assert model.partial_fit(POINTS, sample_weight=np.zeros(5)).inertia_ == 0


@pytest.mark.parametrize("kind", [KMeans, BisectingKMeans])
def test_warns_of_weights_that_differ_too_much(on_engine, kind):
    X = np.array([[0.0], [1.0], [100.0], [101.0]])
    for light, digits in ((1e-12, 15), (1e-28, 0)):
        with pytest.warns(UserWarning, match=f"has about {digits} digits"):
            kind(2, random_state=0).fit(X, sample_weight=[1, 1, light, 2 * light])
    kind(2, random_state=0).fit(X, sample_weight=[1, 1, 1e-11, 2e-11])
    model = KMeans(2, init=[[0.0], [100.0]]).fit(X, sample_weight=[1, 1, 1e-11, 2e-11])
    np.testing.assert_allclose(model.cluster_centers_[:, 0], [0.5, 302 / 3], rtol=1e-14)


def test_batches_too_far_to_be_measured_are_an_error(on_engine, tmp_path):
    model = MiniBatchKMeans(2, n_init=1, random_state=0).partial_fit([[0.0], [1.0]])
    before = model.cluster_centers_.copy()
    for batch in ([[1e200], [1e200]], [[-1e155], [1e155]]):
        with pytest.raises(ValueError, match="more than float64 holds"):
            model.partial_fit(batch)
    np.testing.assert_array_equal(model.cluster_centers_, before)
    X = np.random.default_rng(0).normal(size=(40_000, 1))
    X[12_345] = 1e200
    pd.DataFrame(X, columns=["x"]).to_parquet(tmp_path / "rows.parquet", row_group_size=5000)
    with config_context(memory_limit=1 << 20):
        rows = rmodels.scan(tmp_path / "rows.parquet")
        with pytest.raises(ValueError, match="more than float64 holds"):
            MiniBatchKMeans(2, random_state=0).fit(rows)


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans, BisectingKMeans])
@pytest.mark.parametrize("weight", [1e-300, 1e121, 1e303])
def test_weights_that_sums_do_not_hold_are_an_error(on_engine, kind, weight):
    X = blobs(60, 2, 3)
    fits = [kind(3, random_state=0).fit]
    if kind is MiniBatchKMeans:
        fits.append(kind(3, random_state=0).partial_fit)
    for fit in fits:
        with pytest.raises(ValueError, match="multiply all by a number that makes it about 1"):
            fit(X, sample_weight=np.full(60, weight))
        fit(X, sample_weight=np.full(60, 2.0**300))


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans, BisectingKMeans])
def test_weights_beside_float32_rows_are_not_rounded(on_engine, kind):
    X = blobs(200, 3, 5).astype(np.float32)
    w = np.random.default_rng(1).random(200) / 3
    model = kind(5, n_init=1, random_state=0).fit(X, sample_weight=w)
    gaps = X.astype(np.float64) - model.cluster_centers_[model.labels_].astype(np.float64)
    assert model.inertia_ == pytest.approx(w @ np.square(gaps).sum(axis=1), rel=1e-13)
    if kind is not BisectingKMeans:  # whose rows go down its splits
        assert model.score(X, sample_weight=w) == -model.inertia_


@pytest.mark.parametrize("estimator", [KMeans, BisectingKMeans])
@pytest.mark.parametrize("far", [1e8, -1e8, 1e16])
def test_rows_near_zero_keep_their_digits_beside_one_that_is_far(on_engine, far, estimator):
    X = np.copysign(np.array([[1.0], [3.0], [abs(far) * 1e9]]), far) * 1e-9
    model = estimator(2, random_state=0).fit(X)
    near = X[:2].mean()
    found = min(model.cluster_centers_.ravel(), key=abs)
    assert abs(found - near) <= abs(far) * 2.0**-89 + abs(near) * 2.0**-51
    assert max(model.cluster_centers_.ravel(), key=abs) == X[2, 0]
