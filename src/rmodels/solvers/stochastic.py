"""Stochastic gradient descent over rows wherever they are.

Rows in memory are walked epoch by epoch, shuffled if asked for; rows of files and of clusters in
their order, a batch at a time, and read again for every epoch, unless epochs are affine maps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from rmodels.data import WEIGHTLESS, Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops.ordered import Epoch, Place, Problem, Rule, begin
from rmodels.solvers import epochs

__all__ = ["Descent", "Validation", "check_order", "descend", "hold_out"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Validation:
    """What a fit watches: rows that it does not learn from, and its score of them.

    Attributes
    ----------
    mask : ndarray of shape (n_samples,), bool
    classifies : bool
        Whether the score is the accuracy, else R².
    """

    mask: Mask
    classifies: bool


@dataclass(frozen=True, eq=False)
class Descent:
    """What a descent found.

    Attributes
    ----------
    place : Place
    n_iter : int
        Epochs of the problem that took most.
    n_samples : int
        Rows of an epoch, those that were held out among them.
    engine : str
    solver : {"steps", "epochs"}
        Whether each step was made, or what an epoch does was found as a map.
    """

    place: Place
    n_iter: int
    n_samples: int
    engine: str
    solver: str = "steps"


def check_order(source: Source, *, shuffle: bool) -> None:
    """Raise if rows are to be shuffled that are not in memory."""
    if shuffle and not isinstance(source, Rows):
        raise ValueError(
            "shuffle=True needs all rows in memory, and X is read in parts: set shuffle=False, "
            "which takes rows in their order, and have them written in random order"
        )


def hold_out(
    source: Source, share: float, random_state: object, *, classifies: bool, labels: NDArray | None
) -> Validation:
    """Return which rows are held out, as scikit-learn chooses them.

    Parameters
    ----------
    source : Source
    share : float
        Of the rows, above 0 and below 1.
    random_state : int, RandomState instance or None
    classifies : bool
        Whether each class gives its share.
    labels : ndarray of shape (n_samples,) or None
        Places among the classes.
    """
    if not isinstance(source, Rows):
        raise ValueError(
            "early_stopping=True holds out rows of X, which must be in memory for that: set it to "
            "False, and max_iter or tol"
        )
    n = source.X.shape[0]
    splitter = (StratifiedShuffleSplit if classifies else ShuffleSplit)(
        test_size=share, random_state=random_state
    )
    y = np.zeros(n) if labels is None else labels
    _, held_out = next(splitter.split(np.zeros((n, 1)), y))
    weights = source.weights
    if weights is not None and not (on_host(weights)[held_out] > 0).any():
        raise ValueError(
            "The sample weights for validation set are all zero, consider using a different "
            "random state."
        )
    mask = np.zeros(n, dtype=bool)
    mask[held_out] = True
    return Validation(mask, classifies)


def descend(
    source: Source,
    rule: Rule,
    problems: list[Problem],
    start: Place,
    *,
    validation: Validation | None = None,
    n_threads: int | None = None,
    verbose: bool = False,
) -> Descent:
    """Walk epochs from where the problems begin.

    Parameters
    ----------
    source : Source
        With targets, the codes of classes, or none: then all are 1.
    rule : Rule
    problems : list of Problem
    start : Place
    validation : Validation or None
        Needed if the rule says that scores are watched.
    n_threads : int or None
    verbose : bool
        Whether epochs are told of on the standard output; of rows in memory.
    """
    if not verbose and epochs.are_affine(source, rule, start.coefficients.dtype):
        few = min(rule.max_iter, epochs.worth(source) * len(problems))
        if few < rule.max_iter:
            return _follow(source, rule, problems, start, n_threads, few)
    return _step(source, rule, problems, start, validation, n_threads, verbose)


def _follow(
    source: Source,
    rule: Rule,
    problems: list[Problem],
    start: Place,
    n_threads: int | None,
    few: int,
) -> Descent:
    """Find what an epoch does, unless a `few` epochs of steps are known or found to be enough."""
    if rule.tol > -np.inf:
        found = _step(source, replace(rule, max_iter=few), problems, start, None, n_threads)
        if found.n_iter < few:
            return found
    maps = epochs.compose_epochs(source, rule, problems, n_threads)
    one = replace(rule, max_iter=1, tol=-np.inf)
    places = []
    for i, problem in enumerate(problems):
        begun = replace(
            start,
            coefficients=start.coefficients[i : i + 1],
            intercepts=start.intercepts[i : i + 1],
        )
        steps = partial(_step_once, source, one, problem, n_threads)
        places.append(epochs.follow(maps[i], rule, begun, steps))
    place = Place(
        np.concatenate([each.coefficients for each in places]),
        np.concatenate([each.intercepts for each in places]),
        start.average.copy(),
        start.average_intercepts.copy(),
        start.t,
        np.concatenate([each.epochs for each in places]),
        np.concatenate([each.objectives for each in places]),
    )
    return Descent(place, int(place.epochs.max()), maps[0].n_samples, maps[0].engine, "epochs")


def _step_once(
    source: Source, rule: Rule, problem: Problem, n_threads: int | None, start: Place
) -> Place:
    return _step(source, rule, [problem], start, None, n_threads).place


def _step(
    source: Source,
    rule: Rule,
    problems: list[Problem],
    start: Place,
    validation: Validation | None,
    n_threads: int | None,
    verbose: bool = False,
) -> Descent:
    """Make each step."""
    if isinstance(source, Rows):
        return _walk_rows(source, rule, problems, start, validation, n_threads, verbose)
    if rule.max_iter > 1:
        source.keep_rows()
    walk = begin(rule, problems, start)
    count = 0
    goes_on = True
    while goes_on:
        seen, weight = 0, 0.0
        for rows in source.batches():
            walk.step(*_arrays(rows, start), n_threads)
            seen += rows.X.shape[0]
            weight += rows.weight
        if not weight:
            raise ValueError(WEIGHTLESS)
        count = seen
        goes_on = walk.end_epoch()
    place = walk.place()
    return Descent(place, int(place.epochs.max()), count, walk.engine)


def _arrays(rows: Rows, start: Place) -> tuple[object, NDArray, NDArray | None]:
    """Return X, y and weights in the dtype of the coefficients."""
    dtype = start.coefficients.dtype
    X = rows.X
    if sparse.issparse(X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        X = X.astype(dtype, copy=False)
    else:
        X = X.astype(dtype, copy=False)
    n = X.shape[0]
    y = np.ones(n, dtype) if rows.Y is None else on_host(rows.Y)[:, 0].astype(dtype)
    weights = None if rows.weights is None else on_host(rows.weights).astype(dtype, copy=False)
    return X, y, weights


def _walk_rows(
    rows: Rows,
    rule: Rule,
    problems: list[Problem],
    start: Place,
    validation: Validation | None,
    n_threads: int | None,
    verbose: bool,
) -> Descent:
    on = None if sparse.issparse(rows.X) else rows.X
    walk = begin(rule, problems, start, on=on)
    X, y, weights = _arrays(rows, start)
    score = mask = None
    if validation is not None:
        mask = validation.mask
        score = _score(X, y, weights, validation, problems)
    walk.run(X, y, weights, mask, score, _print if verbose else None, n_threads)
    place = walk.place()
    return Descent(place, int(place.epochs.max()), rows.X.shape[0], walk.engine)


def _score(
    X: object, y: NDArray, weights: NDArray | None, validation: Validation, problems: list[Problem]
) -> Callable[[int, NDArray, float], float]:
    """Return what scores coefficients by the rows that are held out."""
    mask = validation.mask
    held, targets = X[mask], y[mask]  # type: ignore[index]
    w = None if weights is None else weights[mask]

    def score(number: int, coefficients: NDArray, intercept: float) -> float:
        margins = held @ coefficients + intercept
        if not validation.classifies:
            return float(r2_score(targets, margins, sample_weight=w))
        problem = problems[number]
        wanted = np.where(targets == problem.label, 1.0, problem.negative)
        said = np.where(margins > 0, 1.0, -1.0)  # scikit-learn's, also where negatives are 0
        return float(accuracy_score(wanted, said, sample_weight=w))

    return score


def _print(number: int, epoch: Epoch) -> None:
    """Tell of an epoch as scikit-learn does."""
    print(f"-- Epoch {epoch.number}")
    print(
        f"Norm: {epoch.norm:.2f}, NNZs: {epoch.nonzeros}, Bias: {epoch.intercept:.6f}, "
        f"T: {epoch.steps}, Avg. loss: {epoch.loss:f}, Objective: {epoch.objective:f}"
    )
