"""k-means by mini-batches: scikit-learn's draws and steps, and the same bits everywhere."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn import cluster

import rmodels
from rmodels import MiniBatchKMeans, native
from rmodels.config import config_context
from rmodels.exceptions import NotCoveredError

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))


def blobs(n=1500, d=4, k=6, seed=0):
    rng = np.random.default_rng(seed)
    return 4 * rng.normal(size=(k, d))[rng.integers(0, k, n)] + rng.normal(size=(n, d))


def assert_same_bits(ours, expected):
    for name in ("cluster_centers_", "labels_", "inertia_", "n_iter_", "n_steps_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


def assert_same(ours, theirs):
    """Sums are in the order of scikit-learn's, so that centres are the same but for its `fma`."""
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-12)
    assert ours.n_steps_ == theirs.n_steps_
    if hasattr(theirs, "labels_"):
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-12)


@pytest.mark.skipif(SKLEARN < (1, 9), reason="scikit-learn before 1.9 draws batches otherwise")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 100},
        {"init": "random", "tol": 1e-3, "batch_size": 100},
        {"n_clusters": 30, "batch_size": 50, "reassignment_ratio": 0.3},
        {"compute_labels": False, "max_no_improvement": None, "max_iter": 2, "init_size": 40},
        {"batch_size": 4000, "max_iter": 5, "n_init": 3},
        {"n_clusters": 2, "init": [[0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 1.0]], "batch_size": 100},
    ],
    ids=str,
)
def test_steps_are_those_of_scikit_learn(on_engine, given, weighted):
    X, w = blobs(), np.random.default_rng(0).random(1500) if weighted else None
    theirs = cluster.MiniBatchKMeans(random_state=1, **given).fit(X, sample_weight=w)
    ours = MiniBatchKMeans(random_state=1, **given).fit(X, sample_weight=w)
    assert_same(ours, theirs)
    assert ours.n_iter_ == theirs.n_iter_
    for model in (ours, theirs):
        model.partial_fit(X[:90])  # goes on from the counts of the fit
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-12)


@pytest.mark.parametrize("init", ["k-means++", "random", "rows"])
def test_partial_fits_are_those_of_scikit_learn(on_engine, init):
    X, w = blobs(), np.random.default_rng(1).random(1500)
    init = X[:20] if init == "rows" else init
    given = {"n_clusters": 20, "init": init, "random_state": 3, "reassignment_ratio": 0.2}
    ours, theirs = MiniBatchKMeans(**given), cluster.MiniBatchKMeans(**given)
    for first in range(0, 1500, 60):
        here = slice(first, first + 60)
        for model in (ours, theirs):
            model.partial_fit(X[here], sample_weight=w[here])
        assert_same(ours, theirs)


def test_draws_of_partial_fit_go_on_after_a_round_trip(tmp_path):
    """Centres that begin anew are drawn, by a state that a model file keeps."""
    X = blobs()
    given = {"n_clusters": 20, "init": "random", "random_state": 0, "reassignment_ratio": 0.5}
    expected, model = MiniBatchKMeans(**given), MiniBatchKMeans(**given)
    for first in range(0, 1500, 60):
        expected.partial_fit(X[first : first + 60])
        model.partial_fit(X[first : first + 60])
        rmodels.save(model, tmp_path / "m.rmodel")
        model = rmodels.load(tmp_path / "m.rmodel")
    np.testing.assert_array_equal(model.cluster_centers_, expected.cluster_centers_)


def test_hand_worked_means():
    """Centres are the means of all rows that they had: 0, 2 and 4, and 8, 9 and 10."""
    model = MiniBatchKMeans(2, init=[[1.0], [9.0]]).partial_fit([[0.0], [8.0], [10.0]])
    np.testing.assert_array_equal(model.cluster_centers_.ravel(), [0.0, 9.0])
    model.partial_fit([[2.0], [4.0], [9.0]])
    np.testing.assert_array_equal(model.cluster_centers_.ravel(), [2.0, 9.0])
    np.testing.assert_array_equal(model.labels_, [0, 0, 1])
    assert (model.inertia_, model.n_steps_) == (4.0, 2)


def test_weights_are_rows_of_a_batch():
    X, w = np.array([[0.0], [1.0], [8.0]]), np.array([1.0, 3.0, 2.0])
    given = {"n_clusters": 2, "init": [[0.0], [9.0]]}
    once = MiniBatchKMeans(**given).partial_fit(X, sample_weight=w)
    repeated = MiniBatchKMeans(**given).partial_fit(np.repeat(X, [1, 3, 2], axis=0))
    np.testing.assert_array_equal(once.cluster_centers_, repeated.cluster_centers_)


def test_the_same_bits_everywhere(monkeypatch):
    """For 1, 2 and 5 threads, every instruction set, batches of a scan, and sparse rows."""
    X = blobs(5000)
    X[X < 0] = 0
    given = {"n_clusters": 15, "batch_size": 200, "random_state": 0}
    with config_context(engine="reference"):
        expected = MiniBatchKMeans(**given).fit(X)
    for name in native.instruction_sets():
        monkeypatch.setenv("RMODELS_ISA", name)
        for n_threads in (1, 2, 5):
            with config_context(n_threads=n_threads):
                assert_same_bits(MiniBatchKMeans(**given).fit(X), expected)
    frame = pd.DataFrame(X, columns=list("abcd"))
    rows = rmodels.scan(lambda: (frame[i : i + 700] for i in range(0, 5000, 700)))
    assert_same_bits(MiniBatchKMeans(**given).fit(rows), expected)
    assert_same_bits(MiniBatchKMeans(**given).fit(sparse.csr_array(X)), expected)


def test_the_same_bits_on_a_cluster():
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    X = blobs(5000, 3)
    expected = MiniBatchKMeans(6, random_state=0).fit(X)
    rows = dask.from_array(X, chunks=(1300, 3))
    assert_same_bits(MiniBatchKMeans(6, random_state=0).fit(rows), expected)


def test_a_sample_stands_for_what_does_not_fit():
    X = blobs(60_000, 8, 4)  # 3.8 MB
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    rows = rmodels.scan(lambda: (frame[i : i + 9000] for i in range(0, 60_000, 9000)))
    with config_context(memory_limit=1 << 20):
        model = MiniBatchKMeans(4, random_state=0).fit(rows)
    assert len(model.labels_) == 60_000
    assert model.inertia_ == pytest.approx(-model.score(frame), rel=1e-13)
    assert model.inertia_ == pytest.approx(8 * 60_000, rel=0.05)  # the variance about the middles


def test_labels_of_float32_are_exact():
    X = (blobs() + 1e4).astype(np.float32)
    model = MiniBatchKMeans(6, random_state=0).fit(X)
    assert model.cluster_centers_.dtype == np.float32
    np.testing.assert_array_equal(model.predict(X), model.labels_)


def test_parts_that_fail_leave_the_model():
    model = MiniBatchKMeans(2, random_state=0).partial_fit([[0.0], [8.0]])
    before = dict(vars(model))
    with pytest.raises(ValueError, match="contains NaN"):
        model.partial_fit([[np.nan]])
    assert vars(model) == before


def test_labels_that_are_not_asked_for_are_not_there():
    model = MiniBatchKMeans(2, random_state=0, batch_size=4).fit(blobs())
    model.set_params(compute_labels=False).fit(blobs())
    assert not hasattr(model, "labels_")
    one = MiniBatchKMeans(2, init=[[0.0], [9.0]], compute_labels=False, max_iter=1, batch_size=9)
    # of the only batch: four rows drawn of 0, 1, 8 and 9
    found = one.set_params(random_state=0).fit([[0.0], [1.0], [8.0], [9.0]])
    drawn = np.random.RandomState(0)
    drawn.randint(0, 4, 4)
    batch = np.array([0.0, 1.0, 8.0, 9.0])[drawn.choice(4, 4, p=np.full(4, 0.25))]
    assert found.inertia_ == np.count_nonzero(np.isin(batch, [1.0, 8.0]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 9}, "n_samples=4 should be >= n_clusters=9"),
        ({"n_clusters": 2, "init": [[1.0]]}, "does not match the number of clusters 2"),
        ({"n_clusters": 2, "reassignment_ratio": 2.0}, "reassignment_ratio=2.0 leaves no centre"),
        ({"n_clusters": 2, "batch_size": 0}, "'batch_size' parameter"),
    ],
)
def test_errors(on_engine, parameters, message):
    with pytest.raises(ValueError, match=message):
        MiniBatchKMeans(random_state=0, **parameters).fit([[0.0], [1.0], [8.0], [9.0]])


def test_parts_of_files_are_no_batches():
    frame = pd.DataFrame(blobs(), columns=list("abcd"))
    with pytest.raises(NotCoveredError, match="partial_fit takes one mini-batch in memory"):
        MiniBatchKMeans(3).partial_fit(rmodels.scan(lambda: iter([frame])))


def test_tells_of_batches(capsys):
    X = [[0.0], [1.0], [9.0], [10.0]]
    MiniBatchKMeans(2, batch_size=2, random_state=0, verbose=1).fit(X)
    told = capsys.readouterr().out
    assert "Init 1/1 with method k-means++\nInertia for init 1/1: " in told
    assert "Minibatch step 2/200: mean batch inertia: " in told
    assert "Converged (lack of improvement in inertia) at step 18/200" in told
