"""What the plots draw."""

import itertools
import subprocess
import sys
import types

import matplotlib as mpl
import numpy as np
import pandas
import pytest
import statsmodels.api as sm
from matplotlib import legend, pyplot
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from scipy import sparse, stats
from sklearn.exceptions import NotFittedError

from rmodels import (
    BisectingKMeans,
    KMeans,
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    lasso_path,
    plot,
    scan,
)

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture
def corners():
    """Points of the four quadrants, their class the sign of the product."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    return X, np.where(X.prod(axis=1) > 0, "same", "other")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def scattered(ax, label):
    (found,) = (
        each
        for each in ax.collections
        if isinstance(each, PathCollection) and each.get_label() == label
    )
    return np.asarray(found.get_offsets())


def test_loss_is_the_history():
    model = LinearRegression(iterations=7).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    ax = model.plot_loss()
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 8))
    np.testing.assert_array_equal(line.get_ydata(), model.loss_history_)
    assert ax.get_xlabel() == "iteration"
    assert ax.get_ylabel() == "½ mean squared error"
    assert f"{model.learning_rate_:.3g}" in ax.get_title()
    assert ax.get_yscale() == "linear"
    ax.figure.canvas.draw()
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_loss_of_each_target_into_given_axes():
    Y = np.random.default_rng(1).normal(size=(20, 3))
    model = LinearRegression(iterations=4).fit(Y[:, :2], Y)
    _, given = pyplot.subplots()
    assert plot.loss(model, given, yscale="log") is given
    assert given.get_yscale() == "log"
    assert labels(given) == ["target 0", "target 1", "target 2"]
    np.testing.assert_array_equal([line.get_ydata() for line in given.lines], model.loss_history_.T)


@pytest.mark.parametrize(("iterations", "said"), [(None, "no iterations"), (0, "no iterations")])
def test_no_loss_to_draw(iterations, said):
    model = LinearRegression(iterations=iterations).fit([[0.0], [1.0]], [1.0, 3.0])
    with pytest.raises(ValueError, match=said):
        model.plot_loss()
    assert not pyplot.get_fignums()


def test_loss_needs_a_fit():
    with pytest.raises(AttributeError, match="not fitted"):
        LinearRegression(iterations=3).plot_loss()


def test_decision_boundary_shows_the_predictions(corners):
    X, y = corners
    model = KNeighborsClassifier(3).fit(X, y)
    ax = plot.decision_boundary(model, X, y, resolution=40)
    (mesh,) = (each for each in ax.collections if isinstance(each, QuadMesh))
    drawn = np.asarray(mesh.get_array())
    assert drawn.shape == (40, 40, 3)
    (left, bottom), (right, top) = X.min(axis=0), X.max(axis=0)
    edges = mesh.get_coordinates()
    assert edges[0, 0, 0] < left < right < edges[-1, -1, 0]
    assert edges[0, 0, 1] < bottom < top < edges[-1, -1, 1]
    centres = (edges[1:, 1:] + edges[:-1, :-1]) / 2
    predicted = model.predict(centres.reshape(-1, 2)).reshape(40, 40)
    colors = {label: np.unique(drawn[predicted == label], axis=0) for label in model.classes_}
    assert all(len(found) == 1 for found in colors.values())
    assert not np.array_equal(colors["same"], colors["other"])
    assert labels(ax) == ["other", "same"]
    for label in ("other", "same"):
        np.testing.assert_array_equal(scattered(ax, label), X[y == label])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("feature 0", "feature 1")


def test_decision_boundary_of_many_classes():
    X = np.random.default_rng(2).normal(size=(36, 2))
    y = np.arange(36) % 12
    ax = plot.decision_boundary(KNeighborsClassifier(1).fit(X, y), X, y, resolution=10)
    assert labels(ax) == [str(label) for label in range(12)]
    colors = {each.get_facecolor().tobytes() for each in ax.collections[1:]}
    assert len(colors) == 12


def test_names_of_features(corners):
    X, y = corners
    frame = pandas.DataFrame(X, columns=["length", "width"])
    ax = plot.decision_boundary(KNeighborsClassifier().fit(frame, y), frame, y, resolution=5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "width")
    ax = plot.neighbors(NearestNeighbors().fit(frame), frame[:1])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "width")


def test_decision_boundary_refuses(corners):
    X, y = corners
    model = KNeighborsClassifier().fit(X, y)
    with pytest.raises(ValueError, match="does not know the class 'never'"):
        plot.decision_boundary(model, X, np.full(len(X), "never"))
    with pytest.raises(ValueError, match=r"shape \(n, 2\); got \(60, 1\)"):
        plot.decision_boundary(model, X[:, :1], y)
    with pytest.raises(ValueError, match="2 features; this KNeighborsClassifier was fitted with 1"):
        plot.decision_boundary(KNeighborsClassifier().fit(X[:, :1], y), X, y)
    with pytest.raises(ValueError, match="1 output; this model has 2"):
        plot.decision_boundary(KNeighborsClassifier().fit(X, np.c_[y, y]), X, y)
    assert not pyplot.get_fignums()


@pytest.mark.parametrize("k", [1, 4])
def test_neighbors_are_joined_to_queries(corners, k):
    X, _ = corners
    queries = np.array([[0.0, 0.0], [1.0, -1.0]])
    model = KNeighborsRegressor(n_neighbors=k).fit(X, X[:, 0])
    ax = plot.neighbors(model, queries)
    distances, indices = model.kneighbors(queries)
    (lines,) = (each for each in ax.collections if isinstance(each, LineCollection))
    expected = [[queries[i], X[j]] for i, neighbours in enumerate(indices) for j in neighbours]
    np.testing.assert_array_equal(lines.get_segments(), expected)
    np.testing.assert_array_equal(scattered(ax, "points"), X)
    np.testing.assert_array_equal(scattered(ax, "neighbours"), X[np.unique(indices)])
    np.testing.assert_array_equal(scattered(ax, "queries"), queries)
    circles = [(*circle.center, circle.radius) for circle in ax.patches]
    np.testing.assert_array_equal(circles, np.c_[queries, distances[:, -1]])
    assert ax.get_aspect() == 1


def test_neighbors_by_another_metric_and_number(corners):
    X, _ = corners
    model = NearestNeighbors(metric="manhattan").fit(X)
    ax = plot.neighbors(model, [[0.0, 0.0]], n_neighbors=2)
    assert len(scattered(ax, "neighbours")) == 2
    assert not ax.patches


def test_a_slow_drawing_does_not_warn(corners, monkeypatch):
    """Matplotlib does, if finding a place for the legend takes a second and none was named."""
    X, y = corners
    clock = types.SimpleNamespace(perf_counter=itertools.count(0.0, 10.0).__next__)
    monkeypatch.setattr(legend, "time", clock)
    axes = [
        plot.loss(LinearRegression(iterations=5).fit(X, X)),
        plot.decision_boundary(KNeighborsClassifier(1).fit(X, y), X, y),
        plot.neighbors(NearestNeighbors().fit(X), X[:1]),
    ]
    for ax in axes:
        ax.figure.canvas.draw()
    assert clock.perf_counter() >= 60.0  # asked twice for each


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_points_are_drawn(corners, kind):
    X, y = corners
    ax, expected = (
        plot.neighbors(KNeighborsClassifier(2).fit(given, y), given[:3])
        for given in (kind(X).tocsr(), X)
    )
    assert len(ax.collections) == len(expected.collections) == 4
    for one, other in zip(ax.collections, expected.collections, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())
    found, wanted = (each.collections[0].get_segments() for each in (ax, expected))
    np.testing.assert_array_equal(found, wanted)
    plot.neighbors(KNeighborsClassifier(2).fit(kind(X), y), kind(X))
    plot.decision_boundary(KNeighborsClassifier(2).fit(kind(X), y), kind(X), y, resolution=5)


def test_neighbors_within_a_radius_are_refused(corners):
    X, y = corners
    with pytest.raises(TypeError, match="RadiusNeighborsClassifier has no kneighbors to draw"):
        plot.neighbors(RadiusNeighborsClassifier().fit(X, y), X)


def test_neighbors_of_rows_that_are_not_in_memory_are_refused(corners):
    X, y = corners
    model = KNeighborsClassifier(2).fit(scan(np.array(X)), y)
    with pytest.raises(TypeError, match="not in memory, and has no points to draw"):
        plot.neighbors(model, X)
    with pytest.raises(NotFittedError):
        plot.neighbors(KNeighborsClassifier(2), X)


def test_without_matplotlib():
    code = """
import sys
sys.modules["matplotlib"] = None
from rmodels import LinearRegression
model = LinearRegression(iterations=2).fit([[0.0], [1.0]], [0.0, 1.0])
try:
    model.plot_loss()
except ImportError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == (
        "this needs matplotlib, which is not installed: pip install 'rmodels[plot]'\n"
    )


def test_nothing_is_imported_before_it_is_drawn():
    code = (
        "import sys, rmodels; rmodels.LinearRegression, rmodels.plot;"
        "print('matplotlib' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == "False\n"


@pytest.fixture
def line():
    """A model, the rows that it was fitted to, and what statsmodels knows of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=40)
    theirs = sm.OLS(y, sm.add_constant(X)).fit(method="qr").get_influence()
    return LinearRegression().fit(X, y), X, y, theirs


def drawn(ax):
    """The places of the points of axes."""
    return np.asarray(ax.collections[0].get_offsets())


def test_residuals_over_predictions(line):
    model, X, y, _ = line
    found = drawn(plot.residuals(model, X, y))
    predicted = model.predict(X)
    np.testing.assert_allclose(found, np.column_stack([predicted, y - predicted]))
    neighbours = KNeighborsRegressor().fit(X, y)
    np.testing.assert_allclose(
        drawn(plot.residuals(neighbours, X, y))[:, 1], y - neighbours.predict(X)
    )
    with pytest.raises(ValueError, match="a plot of residuals shows 1 target"):
        plot.residuals(model, X, y[:, np.newaxis])


def test_residuals_over_leverages(line):
    model, X, y, theirs = line
    ax = plot.leverage(model, X, y)
    expected = np.column_stack([theirs.hat_matrix_diag, theirs.resid_studentized_internal])
    np.testing.assert_allclose(drawn(ax), expected, rtol=1e-9)
    dashed = next(each for each in ax.lines if each.get_linestyle() == "--")
    assert dashed.get_xdata()[0] == pytest.approx(2 * 4 / 40)
    with pytest.raises(TypeError, match="a KNeighborsRegressor has no leverages"):
        plot.leverage(KNeighborsRegressor().fit(X, y), X, y)


def test_residuals_over_normal_quantiles(line):
    model, X, y, theirs = line
    found = drawn(plot.qq(model, X, y))
    np.testing.assert_allclose(found[:, 1], np.sort(theirs.resid_studentized_internal), rtol=1e-9)
    np.testing.assert_allclose(found[:, 0], stats.norm.ppf((np.arange(40) + 0.5) / 40))


def test_path_is_the_coefficients():
    X = np.random.default_rng(0).standard_normal((50, 4))
    alphas, coefs, _ = lasso_path(X, X @ [1.0, 0.0, 2.0, 0.0], alphas=9)
    ax = plot.path(alphas, coefs, names=["a", "b", "c", "d"])
    lines = ax.get_lines()
    for line, expected in zip(lines[:4], coefs, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), alphas)
        np.testing.assert_array_equal(line.get_ydata(), expected)
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == [name for name, line in zip("abcd", coefs, strict=True) if line.any()]
    assert ax.get_xscale() == "log"
    assert plot.path(alphas, coefs, ax) is ax


@pytest.mark.parametrize("made", [np.asarray, sparse.csr_array])
def test_clusters_are_those_of_the_model(corners, made):
    X = corners[0]
    model = BisectingKMeans(4, random_state=0).fit(X)
    ax = plot.clusters(model, made(X), resolution=20)
    np.testing.assert_array_equal(scattered(ax, "points"), X)
    np.testing.assert_array_equal(scattered(ax, "centres"), model.cluster_centers_)
    points, centres = (
        next(c for c in ax.collections if c.get_label() == label).get_facecolors()
        for label in ("points", "centres")
    )
    np.testing.assert_array_equal(points, centres[model.labels_])
    (mesh,) = (each for each in ax.collections if isinstance(each, QuadMesh))
    corner = np.array([X.min(axis=0) - 0.08 * np.ptp(X, axis=0)])
    pale = 1 - 0.35 * (1 - centres[model.predict(corner)[0], :3])
    np.testing.assert_allclose(mesh.get_array().reshape(-1, 3)[0], pale)
    assert plot.clusters(model, X, ax) is ax


def test_inertia_is_the_history():
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = KMeans(5, init="random", random_state=0).fit(X)
    ax = plot.inertia(model, yscale="log")
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, model.n_iter_ + 1))
    np.testing.assert_array_equal(line.get_ydata(), model.inertia_history_)
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "iteration")


def test_clusters_that_cannot_be_drawn(corners):
    X = corners[0]
    with pytest.raises(NotFittedError):
        plot.clusters(KMeans(), X)
    with pytest.raises(NotFittedError):
        plot.inertia(KMeans())
    with pytest.raises(ValueError, match="2"):
        plot.clusters(KMeans(2).fit(X[:, :1]), X)
    with pytest.raises(TypeError, match="has no cluster_centers_ to draw: use KMeans"):
        plot.clusters(NearestNeighbors().fit(X), X)
    with pytest.raises(TypeError, match="BisectingKMeans has no inertia_history_ to draw"):
        plot.inertia(BisectingKMeans(2, random_state=0).fit(X))


def test_paths_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="must be \\(n_features, n_alphas\\)"):
        plot.path([1.0, 0.5], np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="there are 1 names of 3 columns"):
        plot.path([1.0, 0.5], np.zeros((3, 2)), names=["a"])
