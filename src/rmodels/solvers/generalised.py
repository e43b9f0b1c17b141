"""Generalised linear models: which way their minimum is found, and finding it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from rmodels.config import get_config, thread_count
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops.glm import Matrix
from rmodels.solvers import newton, proximal, truncated
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.likelihood import Likelihood, find_likelihood
from rmodels.solvers.losses import Family, Objective, Penalties, read_sample, respond
from rmodels.solvers.row_space import RowSpace

__all__ = ["MISSED", "GeneralisedFit", "fit", "fit_path"]

MISSED = 1e-11  # a violation above which the minimum was missed

_ROUGH = 5e-3  # where the search among a sample ends: it is farther from the minimum of all rows
_SAMPLE = 16  # rows of the sample: one of so many
_PARAMETERS = 3000  # above, no curvature is kept
_DEAR = 4.0  # reads that a read of the curvature may cost, else that of a sample is taken
_FUNCTIONS = 40.0  # multiply-adds that the functions of a margin take


@dataclass(frozen=True, eq=False)
class GeneralisedFit:
    """Coefficients of a generalised linear model, and what led to them.

    Attributes
    ----------
    coefficients : ndarray of shape (n_outputs, n_features + 1)
        The last column holds the intercepts, 0 without.
    violation : float
        The largest part of the gradient, over the magnitudes that cancel in it.
    value : float
        Of the objective: the losses' sum and the penalty.
    steps : int
    reads : int
        How often all rows were read.
    engine : str
    separated : bool
        Whether there is no minimum: the coefficients grow without bound.
    likelihood : Likelihood or None
        If asked for, there is a minimum, and the coefficients are not too many.
    """

    coefficients: Matrix
    violation: float
    value: float
    steps: int
    reads: int
    engine: str
    separated: bool
    likelihood: Likelihood | None = None


def fit(
    source: Source,
    family: Family,
    penalties: Penalties,
    *,
    fit_intercept: bool,
    class_weights: Matrix | None = None,
    start: Matrix | None = None,
    n_threads: int | None = None,
    likelihood: bool = False,
) -> GeneralisedFit:
    """Minimise Σ w ℓ(z · θ) + ½ Σ l2 θ² + Σ l1 abs(θ).

    Parameters
    ----------
    source : Source
        With targets as the family takes them.
    family : Family
    penalties : Penalties
    fit_intercept : bool
    class_weights : ndarray of shape (n_classes,), optional
        Factors of the weights of rows, by the places of their classes.
    start : ndarray of shape (n_outputs, n_features + 1), optional
        Where the search begins.
    n_threads : int or None
    likelihood : bool
        Whether to find, in one more read, what tests the coefficients; without penalties only.
    """
    source, class_weights = _settle(source, family, class_weights)
    sample, centre = _prepare(source, family, penalties, fit_intercept)
    objective = Objective(
        source, family, penalties, centre, class_weights, n_threads, fit_intercept=fit_intercept
    )
    with blas_threads(_side(objective), n_threads or thread_count()):
        stand_in = _stand_in(objective, sample)
        theta = _begin(objective, sample, stand_in, start)
        found = _search(objective, theta, sample, stand_in)
        inference = None
        if likelihood and not found.separated and _keeps_curvature(found.theta):
            inference = find_likelihood(objective, found.theta)
    return _conclude(objective, found, inference)


def fit_path(
    source: Source,
    family: Family,
    path: Sequence[Penalties],
    *,
    fit_intercept: bool,
    class_weights: Matrix | None = None,
    n_threads: int | None = None,
    sample: Rows | None = None,
) -> list[GeneralisedFit]:
    """Minimise the same under several penalties, of which each leads to the next.

    Parameters
    ----------
    source, family, fit_intercept, class_weights, n_threads
        As in `fit`.
    path : sequence of Penalties
        Best from the largest to the smallest.
    sample : Rows, optional
        Rows that stand for all, if some are known.
    """
    source, class_weights = _settle(source, family, class_weights)
    sample, centre = _prepare(source, family, path[0], fit_intercept, sample)
    fits: list[GeneralisedFit] = []
    before: newton.Search | None = None
    objectives = [
        Objective(
            source, family, penalties, centre, class_weights, n_threads, fit_intercept=fit_intercept
        )
        for penalties in path
    ]
    with blas_threads(_side(objectives[0]), n_threads or thread_count()):
        for i, objective in enumerate(objectives):
            known, stand_in = None, _stand_in(objective, sample)
            if before is None or before.separated:
                theta = _begin(objective, sample, stand_in, None)
            else:
                theta, known = before.theta, before.curvature
                if known is not None and not objective.penalties.has_magnitudes:
                    theta = newton.foresee(theta, objective, path[i - 1], known)
            before = _search(objective, theta, sample, stand_in, known)
            fits.append(_conclude(objective, before, None))
    return fits


def _settle(
    source: Source, family: Family, class_weights: Matrix | None
) -> tuple[Source, Matrix | None]:
    """Return rows in memory with targets and weights as each read takes them; others as they are.

    What weighs classes is in the weights then, and not needed beside them.
    """
    if not isinstance(source, Rows):
        return source, class_weights
    y, weights = respond(family, source, class_weights)
    return replace(source, Y=y[:, np.newaxis], weights=weights), None


def _prepare(
    source: Source,
    family: Family,
    penalties: Penalties,
    fit_intercept: bool,
    sample: Rows | None = None,
) -> tuple[Rows, Matrix | None]:
    """Return rows that stand for all, and what is subtracted from the columns."""
    if sample is None:
        sample = _sample(source, family.n_outputs * len(penalties.l2))
    X = sample.X
    free = not (penalties.l2[-1] or penalties.l1[-1])
    if not fit_intercept or not free or sparse.issparse(X) or not X.shape[0]:
        return sample, None
    centre = np.asarray(on_host(X).mean(axis=0, dtype=np.float64))
    if not np.isfinite(centre).all():
        sample.assert_finite()
        return sample, None
    return sample, centre


def _conclude(
    objective: Objective, found: newton.Search, inference: Likelihood | None
) -> GeneralisedFit:
    """Return the coefficients of the columns as they are."""
    coefficients = found.theta.copy()
    if objective.centre is not None:
        coefficients[:, -1] -= coefficients[:, :-1] @ objective.centre
    if objective.family.loss == "multinomial":
        _balance(coefficients, objective.penalties)
    return GeneralisedFit(
        coefficients,
        found.violation,
        found.value,
        found.steps,
        objective.reads,
        objective.engine,
        found.separated,
        inference,
    )


def _sample(source: Source, parameters: int) -> Rows:
    """Return rows that stand for all; all of few."""
    if not isinstance(source, Rows):
        return read_sample(source, 0)
    n = source.X.shape[0]
    count = max(n // _SAMPLE, 5 * parameters, 2000)
    return read_sample(source, count) if count <= n // 4 else source


def _begin(
    objective: Objective, sample: Rows, stand_in: newton.Sample | None, start: Matrix | None
) -> Matrix:
    """Return coefficients from which the search among all rows begins."""
    if start is not None:
        theta = start.copy()
        if objective.centre is not None:
            theta[:, -1] += theta[:, :-1] @ objective.centre
        return theta
    theta = _start(objective, sample)
    if stand_in is None or not _has_all_classes(stand_in.objective):
        return theta
    stand_in.found = _explore(stand_in.objective, theta)
    return stand_in.found.theta


def _start(objective: Objective, sample: Rows) -> Matrix:
    """Return coefficients of 0 with intercepts that suit the sample."""
    theta = np.zeros(objective.shape)
    if objective.fit_intercept:
        y, weights = respond(objective.family, sample, objective.class_weights)
        theta[:, -1] = objective.family.start(y, weights)
    return theta


def _explore(objective: Objective, theta: Matrix) -> newton.Search:
    """Return about where the objective of few rows is least; that of fewer ones leads there."""
    rows = objective.source
    stand_in = _stand_in(objective, _sample(rows, theta.size))
    if stand_in is not None and _has_all_classes(stand_in.objective):
        theta = _explore(stand_in.objective, theta).theta
    return newton.minimise(objective, theta, exact=_ROUGH)


def _has_all_classes(objective: Objective) -> bool:
    """Return whether rows in memory have all classes, if they have some."""
    family, rows = objective.family, objective.source
    if family.loss not in ("logistic", "multinomial"):
        return True
    assert isinstance(rows, Rows)
    counts = np.bincount(on_host(rows.Y)[:, 0].astype(np.intp), minlength=max(2, family.n_outputs))
    return bool(counts.all())


def _search(
    objective: Objective,
    theta: Matrix,
    sample: Rows,
    stand_in: newton.Sample | None,
    known: Matrix | None = None,
) -> newton.Search:
    """Return where the objective is least, by the way that is fast, and if that misses, another."""
    if objective.penalties.has_magnitudes:
        return proximal.minimise(objective, theta)
    if RowSpace.serves(objective):
        found = newton.minimise(objective, theta, wide=RowSpace(objective))
    elif not _keeps_curvature(theta):
        return truncated.minimise(objective, theta)
    else:
        dear = _spare_curvature(objective)
        found = newton.minimise(
            objective, theta, sample=dear or stand_in, dear=dear is not None, known=known
        )
        if dear is None and stand_in is None and known is None:
            return found
    if found.violation <= MISSED or found.separated:
        return found
    # a few rows told much that the sample did not know, or the space of the rows has too few digits
    plain = _start(objective, sample)
    value = objective.evaluate(plain).loss + objective.penalties.value(plain)
    start = found.theta if found.value <= value else plain
    kept = _keeps_curvature(theta)
    again = (newton.minimise if kept else truncated.minimise)(objective, start)
    return min((found, again), key=lambda each: each.violation)


def _side(objective: Objective) -> int:
    """Return what stands for the size of the matrices that BLAS works on.

    Between factors in the space of rows are products, which have fewer processors while BLAS's
    threads wait for work.
    """
    if RowSpace.serves(objective) and isinstance(objective.source, Rows):
        return int(objective.source.X.shape[0]) // 4
    return objective.family.n_outputs * len(objective.penalties.l2)


def _keeps_curvature(theta: Matrix) -> bool:
    return theta.size <= _PARAMETERS and 32 * theta.size**2 <= get_config()["memory_limit"]


def _stand_in(objective: Objective, sample: Rows) -> newton.Sample | None:
    """Return rows that stand for all, if they are enough, and the losses have a curvature alone."""
    parameters = objective.family.n_outputs * len(objective.penalties.l2)
    if sample is objective.source or sample.X.shape[0] < 5 * parameters:
        return None
    if parameters > _PARAMETERS or objective.penalties.has_magnitudes:
        return None
    total = objective.source.weight
    share = sample.weight / total if total else 0.0
    return newton.Sample(objective.of(sample, share), share) if share else None


def _spare_curvature(objective: Objective) -> newton.Sample | None:
    """Return a sample whose curvature is taken where that of all rows is dear; else None."""
    outputs, width = objective.shape
    read = outputs * (3.0 * width + _FUNCTIONS)
    curvature = outputs * (outputs + 1) / 2 * width**2 / 2
    source = objective.source
    if curvature <= _DEAR * read or not isinstance(source, Rows):
        return None
    n = source.X.shape[0]
    count = int(max(20 * outputs * width, n * _DEAR * read / curvature))
    return None if count > n // 2 else _stand_in(objective, read_sample(source, count))


def _balance(coefficients: Matrix, penalties: Penalties) -> None:
    """Have what all outputs may share sum to zero over them, in place."""
    free = (penalties.l1 == 0) | (np.arange(len(penalties.l1)) == len(penalties.l1) - 1)
    coefficients[:, free] -= coefficients[:, free].mean(axis=0)
