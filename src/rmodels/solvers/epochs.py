"""Epochs of stochastic gradient descent that are affine maps: many for the price of one read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops.chunks import chunks
from rmodels.ops.ordered import EpochMap, NotFiniteError, Place, Problem, Rule, compose

__all__ = ["Ends", "are_affine", "compose_epochs", "follow", "worth"]

Vector = NDArray[np.float64]
Steps = Callable[[Place], Place]

_MOST_TOTAL = 1e23  # below which no gap is as long as 10¹², where slopes are limited
_DOUBT = 2.0**-43  # of an objective: rounding of the sums over rows of a part
_STEP, _STEP_COLUMN = 30.0, 0.8  # ns a row, and for each of its columns
_READ_COLUMN = 20.0  # the same of rows that are read anew for every epoch
_MAP, _MAP_COLUMN, _MAP_ENTRY = 100.0, 15.0, 0.33  # ns a row, a column, an entry of the map
_NOTHING = 1e6  # ns, that are not worth a map
_SHARE = 8  # of the memory limit, that maps take


def are_affine(source: Source, rule: Rule, dtype: Any) -> bool:
    """Return whether each epoch does the same affine map, and its matrices fit in memory."""
    from scipy import sparse

    X = getattr(source, "X", None)
    entries = (source.n_features + 2) ** 2
    return (
        rule.loss == "squared_error"
        and rule.penalty in (None, "l2")
        and rule.rate == "constant"
        and not (rule.shuffle or rule.scored or rule.average or rule.one_class)
        and (rule.penalty is None or rule.eta0 * rule.alpha < 1)
        and dtype == np.float64
        and not sparse.issparse(X)
        and 8 * 8 * entries <= get_config()["memory_limit"] // _SHARE
    )


def worth(source: Source) -> int:
    """Return how many epochs of steps cost as much as a map of one, or next to nothing."""
    d = source.n_features
    step = _STEP + _STEP_COLUMN * d + (0 if isinstance(source, Rows) else _READ_COLUMN * d)
    nothing = _NOTHING / len(source.X) if isinstance(source, Rows) else 0.0
    return int(np.ceil(max(nothing, _MAP + _MAP_COLUMN * d + _MAP_ENTRY * (d + 2) ** 2) / step))


def compose_epochs(
    source: Source, rule: Rule, problems: list[Problem], n_threads: int | None
) -> list[EpochMap]:
    """Return what an epoch does to each problem, from one read of the rows."""
    return source.fold(partial(_compose_rows, rule, problems, n_threads), _add)


def _compose_rows(
    rule: Rule, problems: list[Problem], n_threads: int | None, rows: Rows
) -> list[EpochMap]:
    X = np.asarray(on_host(rows.X), np.float64)
    y = np.ones(len(X)) if rows.Y is None else on_host(rows.Y)[:, 0].astype(np.float64)
    weights = None if rows.weights is None else on_host(rows.weights).astype(np.float64)
    found = []
    for problem in problems:
        target, w = y, weights
        if problem.label >= 0:
            target = np.where(y == problem.label, 1.0, problem.negative)
        if (problem.positive_weight, problem.negative_weight) != (1.0, 1.0):
            each = np.where(target > 0, problem.positive_weight, problem.negative_weight)
            w = each if w is None else w * each
        found.append(compose(rule, X, target, w, n_threads))
    return found


def _add(first: list[EpochMap], later: list[EpochMap]) -> list[EpochMap]:
    return [a + b for a, b in zip(first, later, strict=True)]


@dataclass
class Ends:
    """When a descent ends, of what its objective is after each epoch."""

    rule: Rule
    epochs: int = 0
    best: float = np.inf
    unchanged: int = 0

    def worse(self, objective: float) -> bool:
        """Return whether an epoch is not better than the best by `tol`."""
        return objective > self.best - self.rule.tol

    def judge(self, objective: float) -> bool:
        """Count an epoch; return whether it is the last."""
        self.epochs += 1
        self.unchanged = self.unchanged + 1 if self.worse(objective) else 0
        self.best = min(self.best, objective)
        return self.epochs >= self.rule.max_iter or self.unchanged >= self.rule.n_iter_no_change


def follow(epoch: EpochMap, rule: Rule, start: Place, steps: Steps) -> Place:
    """Return where a problem comes to, by a product an epoch.

    Parameters
    ----------
    epoch : EpochMap
    rule : Rule
    start : Place
        Of one problem.
    steps : callable
        Makes an epoch of steps from a place. It is asked where the map does not tell: if slopes may
        be limited, or the objective is so near to what would be better that rounding decides.

    Raises
    ------
    NotFiniteError
        As steps do.
    """
    v = np.array([*start.coefficients[0], start.intercepts[0], 1.0])
    sizes = abs(epoch.form)
    ends, last_doubt = Ends(rule), 0.0
    watches = rule.tol > -np.inf
    doubt = 0.0
    for part in chunks(rule.max_iter, 256, "epochs"):
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(part.start, part.stop):
                total = float(v @ (epoch.form @ v))
                objective = total / epoch.n_samples
                known = total <= _MOST_TOTAL
                if watches:
                    size = abs(v)
                    doubt = _DOUBT * float(size @ (sizes @ size)) / epoch.n_samples
                    known = known and abs(objective - (ends.best - rule.tol)) > doubt + last_doubt
                if known:
                    v = epoch.map @ v
                    last_doubt = max(doubt, last_doubt)
                else:
                    v, objective = _step(v, ends.epochs, steps)
                v[-1] = 1.0
                if ends.judge(objective):
                    return _place(v, start, ends.epochs, objective)
    raise AssertionError("the last epoch ends")


def _step(v: Vector, epochs: int, steps: Steps) -> tuple[Vector, float]:
    """Return where an epoch of steps leads, and its objective."""
    try:
        found = steps(_place(v, None, 0, np.nan))
    except NotFiniteError as error:
        raise NotFiniteError(epochs + 1) from error
    return np.array([*found.coefficients[0], found.intercepts[0], 1.0]), float(found.objectives[0])


def _place(v: Vector, start: Place | None, epochs: int, objective: float) -> Place:
    place = Place.zeros(1, len(v) - 2, np.float64)
    place.coefficients[0], place.intercepts[0] = v[:-2], v[-2]
    place.epochs, place.objectives = np.array([epochs]), np.array([objective])
    return place if start is None else replace(place, t=start.t)
