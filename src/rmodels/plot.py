"""Plots of fitted models, drawn by matplotlib.

Each function draws into the axes that it gets, or into those of a new figure, and returns them.
matplotlib is imported when something is drawn: pip install 'rmodels[plot]'.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn.utils.validation import check_is_fitted

from rmodels.data.arrays import on_host
from rmodels.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "clusters",
    "decision_boundary",
    "inertia",
    "leverage",
    "loss",
    "neighbors",
    "path",
    "qq",
    "residuals",
]

_MARGIN = 0.08  # of the points' extent, on each side
_LINE = "0.35"  # grey


def _axes(ax: "Axes | None") -> "Axes":
    """Return the axes to draw into."""
    pyplot = require("matplotlib.pyplot", "plot")
    if ax is not None:
        return ax
    axes: Axes = pyplot.subplots(layout="constrained")[1]
    return axes


def _feature_names(model: Any) -> list[str]:
    """Return the names of the two features of a model."""
    check_is_fitted(model)
    if model.n_features_in_ != 2:
        raise ValueError(
            f"a plane shows 2 features; this {type(model).__name__} was fitted with "
            f"{model.n_features_in_}"
        )
    names = getattr(model, "feature_names_in_", ("feature 0", "feature 1"))
    return [str(name) for name in names]


@contextmanager
def _without_names() -> Iterator[None]:
    """Let a model that was fitted with feature names take arrays: their columns are known here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        yield


def _dense(X: Any) -> Any:
    """Return a sparse matrix or a tensor as an array; all else as it is."""
    return on_host(X.toarray() if hasattr(X, "toarray") else X)


def _points(X: ArrayLike) -> NDArray[np.float64]:
    """Return X as points of a plane: (n, 2)."""
    points = np.asarray(_dense(X), dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points of a plane have the shape (n, 2); got {points.shape}")
    return points


def _colors(number: int) -> NDArray[np.float64]:
    """Return so many colours that can be told apart: (number, 3)."""
    matplotlib = require("matplotlib", "plot")
    if number <= 10:
        return np.asarray(matplotlib.colormaps["tab10"].colors[:number])
    return np.asarray(matplotlib.colormaps["turbo"](np.linspace(0, 1, number)))[:, :3]


def loss(model: Any, ax: "Axes | None" = None, *, yscale: str = "linear") -> "Axes":
    """Draw the loss after each iteration of gradient descent, one line for each target.

    Parameters
    ----------
    model : LinearRegression
        Fitted with `iterations`.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.
    yscale : {"linear", "log"}, default="linear"
        Scale of the losses.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the model was fitted by least squares, which has no iterations.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> model = rmodels.LinearRegression(iterations=50).fit(X, y)
    >>> axes = rmodels.plot.loss(model, yscale="log")
    """
    losses = model.loss_history_
    if not len(losses):
        raise ValueError(
            f"there is no loss to draw: the model ran {model.n_iter_ or 'no'} iterations. Fit it "
            "with LinearRegression(iterations=...)"
        )
    ax = _axes(ax)
    steps = np.arange(1, len(losses) + 1)
    if losses.ndim == 1:
        ax.plot(steps, losses)
    else:
        for target, line in enumerate(losses.T):
            ax.plot(steps, line, label=f"target {target}")
        ax.legend(loc="best")  # the default, which unnamed warns when drawing takes a second
    ax.set_yscale(yscale)
    ax.xaxis.set_major_locator(require("matplotlib.ticker", "plot").MaxNLocator(integer=True))
    ax.set_xlabel("iteration")
    ax.set_ylabel("½ mean squared error")
    ax.set_title(f"Gradient descent, learning rate {model.learning_rate_:.3g}")
    return ax


def path(
    alphas: ArrayLike, coefs: ArrayLike, ax: "Axes | None" = None, *, names: Any = None
) -> "Axes":
    """Draw the coefficients of a lasso or elastic net over the penalty, a line for each column.

    Parameters
    ----------
    alphas, coefs : array-like of shape (n_alphas,) and (n_features, n_alphas)
        What `lasso_path` and `enet_path` return, of one target.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.
    names : sequence of str, default=None
        Of the columns, for a legend of those that have a coefficient.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the coefficients are not of one target, or not as many as the penalties or names.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import rmodels
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> alphas, coefs, _ = rmodels.lasso_path(X, X @ [1.0, 0.0, 2.0], alphas=20)
    >>> axes = rmodels.plot.path(alphas, coefs)
    """
    penalties, lines = (np.asarray(on_host(each), dtype=np.float64) for each in (alphas, coefs))
    if lines.ndim != 2 or penalties.shape != lines.shape[1:]:
        raise ValueError(
            "coefs must be (n_features, n_alphas), as lasso_path returns them for one target; got "
            f"{lines.shape} and {penalties.shape} alphas"
        )
    if names is not None and len(names) != len(lines):
        raise ValueError(f"there are {len(names)} names of {len(lines)} columns")
    ax = _axes(ax)
    for column, line in enumerate(lines):
        used = names is not None and line.any()
        ax.plot(penalties, line, label=str(names[column]) if used else None)
    if names is not None and lines.any():
        ax.legend(loc="best")
    ax.axhline(0.0, color=_LINE, linewidth=0.8)
    ax.set_xscale("log")
    ax.invert_xaxis()
    ax.set_xlabel("penalty α")
    ax.set_ylabel("coefficient")
    ax.set_title(f"Coefficients of {len(lines)} columns along the path")
    return ax


def _paint(
    model: Any,
    points: NDArray[np.float64],
    ax: "Axes",
    color: Callable[[NDArray], NDArray],
    resolution: int,
) -> None:
    """Paint what a model predicts of the plane about some points, in pale colours."""
    margin = _MARGIN * np.where(np.ptp(points, axis=0) > 0, np.ptp(points, axis=0), 1.0)
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    across, up = np.linspace(low, high, resolution).T
    grid = np.column_stack([each.ravel() for each in np.meshgrid(across, up)])
    with _without_names():
        colors = color(np.asarray(on_host(model.predict(grid))))
    pale = 1 - 0.35 * (1 - colors.reshape(resolution, resolution, 3))
    ax.pcolormesh(across, up, pale, shading="nearest", rasterized=True)


def clusters(
    model: Any, X: ArrayLike, ax: "Axes | None" = None, *, resolution: int = 300
) -> "Axes":
    """Draw the clusters of a plane, points over it in the colour of theirs, and the centres.

    Parameters
    ----------
    model : KMeans, MiniBatchKMeans or BisectingKMeans
        Fitted with two features.
    X : array-like or sparse matrix of shape (n_samples, 2)
        Points to draw; their extent is what is shown.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.
    resolution : int, default=300
        Predictions along each side.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If the model has no centres.
    ValueError
        If the model does not have two features.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> X = [[0.0, 0.0], [1.0, 0.0], [8.0, 9.0]]
    >>> model = rmodels.KMeans(2, random_state=0).fit(X)
    >>> axes = rmodels.plot.clusters(model, X, resolution=50)
    """
    names = _feature_names(model)
    if not hasattr(model, "cluster_centers_"):
        raise TypeError(f"{type(model).__name__} has no cluster_centers_ to draw: use KMeans")
    points, centres = _points(X), np.asarray(on_host(model.cluster_centers_))
    ax = _axes(ax)
    colors = _colors(len(centres))
    _paint(model, points, ax, lambda found: colors[found], resolution)
    with _without_names():
        found = np.asarray(on_host(model.predict(points)))
    ax.scatter(points[:, 0], points[:, 1], s=12, c=colors[found], label="points")
    ax.scatter(
        centres[:, 0], centres[:, 1], s=90, c=colors, marker="X", edgecolor="black", label="centres"
    )
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    return ax


def inertia(model: Any, ax: "Axes | None" = None, *, yscale: str = "linear") -> "Axes":
    """Draw the inertia Σ w ‖x − m‖² after each iteration of k-means.

    Parameters
    ----------
    model : KMeans
        Fitted.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.
    yscale : {"linear", "log"}, default="linear"

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If the model keeps no history of it.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> model = rmodels.KMeans(2, random_state=0).fit([[0.0], [1.0], [9.0]])
    >>> axes = rmodels.plot.inertia(model)
    """
    check_is_fitted(model)
    if not hasattr(model, "inertia_history_"):
        raise TypeError(f"{type(model).__name__} has no inertia_history_ to draw: use KMeans")
    ax = _axes(ax)
    steps = np.arange(1, len(model.inertia_history_) + 1)
    ax.plot(steps, model.inertia_history_, marker=".")
    ax.set_yscale(yscale)
    ax.xaxis.set_major_locator(require("matplotlib.ticker", "plot").MaxNLocator(integer=True))
    ax.set_xlabel("iteration")
    ax.set_ylabel("inertia, squared units of X")
    ax.set_title(f"k-means, {len(model.cluster_centers_)} clusters")
    return ax


def decision_boundary(
    model: Any, X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None, *, resolution: int = 300
) -> "Axes":
    """Draw the class that a classifier predicts at each place of a plane, and points over it.

    Parameters
    ----------
    model : classifier
        Fitted with two features and one output.
    X : array-like or sparse matrix of shape (n_samples, 2)
        Points to draw; their extent is what is shown.
    y : array-like of shape (n_samples,)
        Their classes.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.
    resolution : int, default=300
        Predictions along each side.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the model does not have two features and one output, or a class of y is not known to it.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> X, y = [[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]], ["low", "low", "high"]
    >>> model = rmodels.KNeighborsClassifier(n_neighbors=1).fit(X, y)
    >>> axes = rmodels.plot.decision_boundary(model, X, y, resolution=50)
    """
    names = _feature_names(model)
    classes = model.classes_
    if isinstance(classes, list):
        raise ValueError(f"a plane shows 1 output; this model has {len(classes)}")
    points, labels = _points(X), np.asarray(y)
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(f"the model does not know the class {unknown.tolist()[0]!r}")
    ax = _axes(ax)
    colors = _colors(len(classes))
    _paint(model, points, ax, lambda found: colors[np.searchsorted(classes, found)], resolution)
    for label, color in zip(classes, colors, strict=True):
        x, y = points[labels == label].T
        ax.scatter(x, y, s=30, color=color, edgecolor="white", label=str(label))
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.legend(title="class", loc="best")
    return ax


def neighbors(
    model: Any, X: ArrayLike, ax: "Axes | None" = None, *, n_neighbors: int | None = None
) -> "Axes":
    """Draw the points of a neighbours estimator, and lines from queries to their nearest.

    With the Euclidean metric, a circle around each query passes through its farthest neighbour.

    Parameters
    ----------
    model : KNeighborsClassifier, KNeighborsRegressor or NearestNeighbors
        Fitted with two features.
    X : array-like or sparse matrix of shape (n_queries, 2)
        Queries.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.
    n_neighbors : int, default=None
        The default is the model's.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If the model does not find a number of neighbours, but those within a radius, or was fitted
        to rows that are not in memory.
    ValueError
        If the model does not have two features.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> model = rmodels.NearestNeighbors(n_neighbors=2).fit([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    >>> axes = rmodels.plot.neighbors(model, [[1.0, 1.0]])
    """
    if not hasattr(model, "kneighbors"):
        raise TypeError(f"{type(model).__name__} has no kneighbors to draw: use NearestNeighbors")
    names = _feature_names(model)
    if not hasattr(model, "_fit_X"):
        raise TypeError(
            f"{type(model).__name__} was fitted to rows that are not in memory, and has no points "
            "to draw: fit it to an array of some of them"
        )
    queries = _points(X)
    with _without_names():
        distances, indices = model.kneighbors(queries, n_neighbors)
    ax = _axes(ax)
    points = _dense(model._fit_X)
    near = points[indices]  # (queries, k, 2)
    ends = np.broadcast_to(queries[:, np.newaxis], near.shape)
    collections = require("matplotlib.collections", "plot")
    lines = np.stack([ends, near], axis=2).reshape(-1, 2, 2)
    ax.add_collection(collections.LineCollection(lines, colors=_LINE, linewidths=0.8, zorder=1))
    found = points[np.unique(indices)]
    ax.scatter(points[:, 0], points[:, 1], s=20, color="C0", alpha=0.5, label="points", zorder=2)
    ax.scatter(found[:, 0], found[:, 1], s=30, color="C1", label="neighbours", zorder=3)
    ax.scatter(
        queries[:, 0], queries[:, 1], s=120, color="C3", marker="*", label="queries", zorder=4
    )
    if model.effective_metric_ in ("euclidean", "l2"):
        patches = require("matplotlib.patches", "plot")
        for query, radius in zip(queries, distances[:, -1], strict=True):
            ax.add_patch(patches.Circle(tuple(query), radius, fill=False, color=_LINE, ls=":"))
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.legend(loc="best")
    return ax


def _residuals(model: Any, X: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return predictions and residuals of one target: (n,)."""
    predicted = np.asarray(on_host(model.predict(X)), np.float64)
    given = np.asarray(on_host(y), np.float64)
    if predicted.ndim != 1 or given.shape != predicted.shape:
        raise ValueError(
            f"a plot of residuals shows 1 target; y has the shape {given.shape} and the "
            f"predictions {predicted.shape}"
        )
    return predicted, given - predicted


def _standardize(model: Any, X: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return residuals over their standard deviation, e / (σ √(1 − h)), and leverages h: (n,)."""
    if not hasattr(model, "_factor"):
        raise TypeError(f"a {type(model).__name__} has no leverages: use LinearRegression")
    _, errors = _residuals(model, X, y)
    sigma = float(model.summary().residual_std)
    std = np.asarray(model.predict(X, return_std=True)[1], np.float64)
    leverages = np.clip((std / sigma) ** 2 - 1, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return errors / (sigma * np.sqrt(1 - leverages)), leverages


def residuals(model: Any, X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the residuals y − ŷ over the predictions: a pattern is what the model does not know.

    Parameters
    ----------
    model : regressor
        Fitted to one target.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is more than one target.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0]
    >>> axes = rmodels.plot.residuals(rmodels.LinearRegression().fit(X, y), X, y)
    """
    predicted, errors = _residuals(model, X, y)
    ax = _axes(ax)
    ax.axhline(0.0, color=_LINE, linewidth=0.8)
    ax.scatter(predicted, errors, s=20, alpha=0.6)
    ax.set_xlabel("prediction")
    ax.set_ylabel("residual")
    return ax


def leverage(model: Any, X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the residuals, over their standard deviations, over the leverages of the rows.

    The leverage of a row is how much its own y weighs in its prediction; the mean is p / n, with p
    coefficients and n rows, and a dashed line is at twice that. Rows far to the right and far from
    0 are those that the coefficients hang on.

    Parameters
    ----------
    model : LinearRegression
        Fitted to these rows, without weights, by least squares.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If the model has no leverages.
    ValueError
        If there is more than one target, or where `LinearRegression.summary` raises.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import rmodels
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0]
    >>> axes = rmodels.plot.leverage(rmodels.LinearRegression().fit(X, y), X, y)
    """
    standardized, leverages = _standardize(model, X, y)
    ax = _axes(ax)
    ax.axhline(0.0, color=_LINE, linewidth=0.8)
    ax.axvline(2 * leverages.mean(), color=_LINE, linewidth=0.8, linestyle="--")
    ax.scatter(leverages, standardized, s=20, alpha=0.6)
    ax.set_xlabel("leverage")
    ax.set_ylabel("residual / standard deviation")
    return ax


def qq(model: Any, X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the sorted residuals, over their standard deviations, over quantiles of the normal law.

    Row i of n stands over the quantile (i − ½) / n. On the diagonal the residuals are normal, as
    tests of the coefficients of few rows take them to be.

    Parameters
    ----------
    model : LinearRegression
        Fitted to these rows, without weights, by least squares.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    ax : matplotlib.axes.Axes, default=None
        Where to draw; the default is a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError, ImportError
        As `leverage`.

    Examples
    --------
    >>> import rmodels
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0]
    >>> axes = rmodels.plot.qq(rmodels.LinearRegression().fit(X, y), X, y)
    """
    standardized, _ = _standardize(model, X, y)
    n = len(standardized)
    quantiles = special.ndtri((np.arange(n) + 0.5) / n)
    ax = _axes(ax)
    ax.axline((0.0, 0.0), slope=1.0, color=_LINE, linewidth=0.8)
    ax.scatter(quantiles, np.sort(standardized), s=20, alpha=0.6)
    ax.set_xlabel("quantile of the normal law")
    ax.set_ylabel("residual / standard deviation")
    return ax
