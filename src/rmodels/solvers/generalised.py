"""Generalised linear models: which way their minimum is found, and finding it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.config import get_config, thread_count
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops.glm import Matrix
from rmodels.solvers import newton, proximal, truncated
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.likelihood import Likelihood, find_likelihood
from rmodels.solvers.lockstep import Asking, run, run_together
from rmodels.solvers.losses import Family, Objective, Penalties, read_sample, respond
from rmodels.solvers.row_space import RowFactor, RowSpace

__all__ = ["MISSED", "GeneralisedFit", "fit", "fit_folds"]

MISSED = 1e-11  # a violation above which the minimum was missed

_ROUGH = 5e-3  # where the search among a sample ends: it is farther from the minimum of all rows
_SAMPLE = 16  # rows of the sample: one of so many
_PARAMETERS = 3000  # above, no curvature is kept
_HELD = 32  # bytes of a search, times the square of the parameters
_PRODUCTS = 1000  # of curvatures and vectors, that take less time than curvatures
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
    given = _Given.of(
        source,
        family,
        penalties,
        class_weights,
        fit_intercept=fit_intercept,
        n_threads=n_threads,
    )
    objective = given.objective(penalties)
    with blas_threads(_side(objective), n_threads or thread_count()):
        found = run(_search(given, objective, start=start), given.source)
        inference = None
        if likelihood and not found.separated and _keeps_curvature(found.theta):
            inference = find_likelihood(objective, found.theta)
    return _conclude(objective, found, inference)


def fit_folds(
    source: Source,
    family: Family,
    paths: Sequence[Sequence[Penalties]],
    folds: Sequence[NDArray[np.bool_]],
    weights: Sequence[float],
    *,
    fit_intercept: bool,
    class_weights: Matrix | None = None,
    n_threads: int | None = None,
) -> tuple[list[list[list[GeneralisedFit]]], int]:
    """Minimise the same for some of the rows and under several penalties, in the same reads.

    As many searches go side by side as there is memory for their curvatures.

    Parameters
    ----------
    source : Source
        With its rows numbered.
    family, fit_intercept, class_weights, n_threads
        As in `fit`.
    paths : sequence of sequence of Penalties
        Each leads to the next on its path, best from the largest to the smallest.
    folds : sequence of ndarray of shape (n_samples,), bool
        The rows that each fits.
    weights : sequence of float
        Σ w of them, without what weighs classes.

    Returns
    -------
    fits : list
        Of each fold, path and penalty.
    reads : int
        How often all rows were read.
    """
    given = _Given.of(
        source,
        family,
        paths[0][0],
        class_weights,
        fit_intercept=fit_intercept,
        n_threads=n_threads,
    )
    if isinstance(given.source, Rows) and given.source.weights is not None:
        weights = [float(given.source.weights[fold].sum()) for fold in folds]
    searches = []
    for fold, weight in zip(folds, weights, strict=True):
        for path in paths:
            objectives = [given.objective(penalties, fold, weight) for penalties in path]
            searches.append(_follow(given, objectives))
    example = given.objective(paths[0][0])
    at_once = max(1, int(get_config()["memory_limit"] // _held(example)))
    found: list[list[GeneralisedFit]] = []
    reads = 0
    with blas_threads(_side(example), n_threads or thread_count()):
        for first in range(0, len(searches), at_once):
            some, more = run_together(searches[first : first + at_once], given.source)
            found += some
            reads += more
    each = iter(found)
    return [[next(each) for _ in paths] for _ in folds], reads + given.reads


def _follow(given: "_Given", objectives: list[Objective]) -> Asking[list[GeneralisedFit]]:
    """Find the minima of objectives, of which each leads to the next."""
    fits: list[GeneralisedFit] = []
    before: newton.Search | None = None
    for i, objective in enumerate(objectives):
        start = known = None
        if before is not None and not before.separated:
            start, known = before.theta, before.curvature
            if known is not None and not objective.penalties.has_magnitudes:
                start = newton.foresee(start, objective, objectives[i - 1].penalties, known)
        before = yield from _search(given, objective, centred=start, known=known)
        fits.append(_conclude(objective, before, None))
    return fits


@dataclass(eq=False)
class _Given:
    """What searches among the same rows share.

    Attributes
    ----------
    source : Source
        With targets and weights as each read takes them, if it is in memory.
    family : Family
    centre : ndarray of shape (n_features,) or None
        What is subtracted from the rows.
    sample : Rows
        Some that stand for all; all of few.
    class_weights, fit_intercept, n_threads
        As in `fit`.
    spare : Rows or None
        Some whose curvature is taken, once they are needed.
    wide : RowSpace or None
    factor : RowFactor or None
        Once they are needed.
    """

    source: Source
    family: Family
    centre: Matrix | None
    sample: Rows
    class_weights: Matrix | None
    fit_intercept: bool
    n_threads: int | None
    spare: Rows | None = None
    wide: RowSpace | None = None
    factor: RowFactor | None = None
    _explored: dict[int, newton.Search] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        source: Source,
        family: Family,
        penalties: Penalties,
        class_weights: Matrix | None,
        *,
        fit_intercept: bool,
        n_threads: int | None,
    ) -> "_Given":
        """Return what is shared under some penalties and others like them."""
        source.keep_rows()
        source, class_weights = _settle(source, family, class_weights)
        sample = _sample(source, family.n_outputs * len(penalties.l2))
        centre = _centre(sample, penalties) if fit_intercept else None
        return cls(source, family, centre, sample, class_weights, fit_intercept, n_threads)

    def objective(
        self, penalties: Penalties, chosen: NDArray[np.bool_] | None = None, weight: float = 0.0
    ) -> Objective:
        """Return the objective of all rows, or of those that are chosen."""
        return Objective(
            self.source,
            self.family,
            penalties,
            self.centre,
            self.class_weights,
            self.n_threads,
            fit_intercept=self.fit_intercept,
            chosen=chosen,
            weight_of_chosen=weight,
        )

    def explore(
        self, objective: Objective, stand_in: newton.Sample, theta: Matrix
    ) -> newton.Search:
        """Return about where the sample's objective is least; found once for all folds."""
        key = id(objective.penalties)
        if key not in self._explored:
            self._explored[key] = _explore(stand_in.objective, theta)
        return self._explored[key]

    @property
    def reads(self) -> int:
        """How often the rows were read for what is shared."""
        return (self.wide is not None) + (self.factor is not None)

    def row_space(self, objective: Objective) -> RowSpace:
        """Return the space of the rows, found once."""
        if self.wide is None:
            self.wide = RowSpace(objective)
            objective.reads += 1
        return self.wide

    def row_factor(self, objective: Objective) -> RowFactor:
        """Return the factor of the rows, found once."""
        if self.factor is None:
            self.factor = RowFactor(objective)
            objective.reads += 1
        return self.factor


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


def _centre(sample: Rows, penalties: Penalties) -> Matrix | None:
    """Return what is subtracted from the columns, if it may be."""
    X = sample.X
    free = not (penalties.l2[-1] or penalties.l1[-1])
    if not free or sparse.issparse(X) or not X.shape[0]:
        return None
    centre = np.asarray(on_host(X).mean(axis=0, dtype=np.float64))
    if not np.isfinite(centre).all():
        sample.assert_finite()
        return None
    return centre


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


def _begin(given: _Given, objective: Objective, stand_in: newton.Sample | None) -> Matrix:
    """Return coefficients from which the search among all rows begins: the same for all folds."""
    y, weights = _responses(given, objective)
    theta = _start(objective, y, weights)
    if stand_in is None or not _has_all_classes(objective.family, y):
        return theta
    sampled = on_host(given.sample.Y)[:, 0]
    if not _has_all_classes(objective.family, sampled):
        return theta
    stand_in.found = given.explore(objective, stand_in, theta)
    return stand_in.found.theta


def _responses(given: _Given, objective: Objective) -> tuple[Matrix, Matrix | None]:
    """Return targets and weights of rows that are known: of a sample, or of those of a fold."""
    rows, chosen = given.sample, objective.chosen
    if chosen is not None and isinstance(given.source, Rows):
        rows = given.source
    y, weights = respond(objective.family, rows, objective.class_weights)
    if chosen is None:
        return y, weights
    here = chosen[rows.first : rows.first + len(y)]
    return y[here], None if weights is None else weights[here]


def _start(objective: Objective, y: Matrix, weights: Matrix | None) -> Matrix:
    """Return coefficients of 0 with intercepts that suit some rows."""
    theta = np.zeros(objective.shape)
    if objective.fit_intercept and len(y):
        theta[:, -1] = objective.family.start(y, weights)
    return theta


def _explore(objective: Objective, theta: Matrix) -> newton.Search:
    """Return about where the objective of few rows is least; that of fewer ones leads there."""
    rows = objective.source
    assert isinstance(rows, Rows)
    fewer = _sample(rows, theta.size)
    stand_in = _stand_in(objective, fewer)
    if stand_in is not None and _has_all_classes(objective.family, on_host(fewer.Y)[:, 0]):
        theta = _explore(stand_in.objective, theta).theta
    return run(newton.minimise(objective, theta, exact=_ROUGH), rows)


def _has_all_classes(family: Family, y: Matrix) -> bool:
    """Return whether targets have all classes, if they have some."""
    if family.loss not in ("logistic", "multinomial"):
        return True
    counts = np.bincount(y.astype(np.intp), minlength=max(2, family.n_outputs))
    return bool(counts.all())


def _search(
    given: _Given,
    objective: Objective,
    *,
    start: Matrix | None = None,
    centred: Matrix | None = None,
    known: Matrix | None = None,
) -> Asking[newton.Search]:
    """Find where the objective is least, by the way that is fast, and if that misses, another.

    `start` holds coefficients of the columns as they are, `centred` of those less the centre.
    """
    stand_in = _stand_in(objective, given.sample)
    theta = centred
    if start is not None:
        theta = start.copy()
        if objective.centre is not None:
            theta[:, -1] += theta[:, :-1] @ objective.centre
    if theta is None:
        theta = _begin(given, objective, stand_in)
    if objective.penalties.has_magnitudes:
        return (yield from proximal.minimise(objective, theta))
    if RowSpace.serves(objective):
        found = yield from newton.minimise(objective, theta, wide=given.row_space(objective))
    elif RowFactor.serves(objective):
        return (yield from _search_factor(given, objective, theta))
    elif not _keeps_curvature(theta):
        return (yield from truncated.minimise(objective, theta))
    else:
        dear = _spare_curvature(given, objective)
        found = yield from newton.minimise(
            objective,
            theta,
            sample=dear or stand_in,
            dear=dear is not None,
            known=known,
        )
        if dear is None and stand_in is None and known is None:
            return found
    if found.violation <= MISSED or found.separated:
        return found
    # a few rows told much that the sample did not know, or the space of the rows has too few digits
    plain = _start(objective, *_responses(given, objective))
    sums = yield from objective.evaluate(plain)
    better = found.value <= sums.loss + objective.penalties.value(plain)
    way = newton.minimise if _keeps_curvature(theta) else truncated.minimise
    again = yield from way(objective, found.theta if better else plain)
    return min((found, again), key=lambda each: each.violation)


def _search_factor(given: _Given, objective: Objective, theta: Matrix) -> Asking[newton.Search]:
    """Find where the objective is least among the rows' few dimensions, and look at it in all."""
    factor = given.row_factor(objective)
    small = factor.reduce(objective)
    found = run(_search_either(small, factor.narrow(theta)), small.source)
    looked = yield from _search_either(objective, factor.widen(found.theta, objective))
    return replace(looked, steps=found.steps + looked.steps)


def _search_either(objective: Objective, theta: Matrix) -> Asking[newton.Search]:
    """Find where the objective is least by products, or where they are many by curvatures."""
    if not _keeps_curvature(theta):
        return (yield from truncated.minimise(objective, theta))
    found = yield from truncated.minimise(objective, theta, most=objective.reads + _PRODUCTS)
    if found.violation <= MISSED or found.separated:
        return found
    again = replace(objective, reads=0)
    other = yield from newton.minimise(again, found.theta)
    objective.reads += again.reads
    other = replace(other, steps=found.steps + other.steps)
    return min((found, other), key=lambda each: each.violation)


def _side(objective: Objective) -> int:
    """Return what stands for the size of the matrices that BLAS works on.

    Between factors in the space of rows are products, which have fewer processors while BLAS's
    threads wait for work.
    """
    if RowSpace.serves(objective) and isinstance(objective.source, Rows):
        return int(objective.source.X.shape[0]) // 4
    return objective.family.n_outputs * len(objective.penalties.l2)


def _held(objective: Objective) -> int:
    """Return how many bytes a search holds, about: a curvature and its factor, or vectors."""
    outputs, width = objective.shape
    if RowSpace.serves(objective) and isinstance(objective.source, Rows):
        return _HELD * int(objective.source.X.shape[0]) ** 2
    parameters = outputs * width
    return _HELD * parameters * (parameters if parameters <= _PARAMETERS else 1)


def _keeps_curvature(theta: Matrix) -> bool:
    return theta.size <= _PARAMETERS and _HELD * theta.size**2 <= get_config()["memory_limit"]


def _stand_in(objective: Objective, sample: Rows) -> newton.Sample | None:
    """Return rows that stand for all, if they are enough, and the losses have a curvature alone."""
    parameters = objective.family.n_outputs * len(objective.penalties.l2)
    if sample is objective.source or sample.X.shape[0] < 5 * parameters:
        return None
    if parameters > _PARAMETERS or objective.penalties.has_magnitudes:
        return None
    total = objective.weight
    share = sample.weight / total if total else 0.0
    return newton.Sample(objective.of(sample, share), share) if share else None


def _spare_curvature(given: _Given, objective: Objective) -> newton.Sample | None:
    """Return a sample whose curvature is taken where that of all rows is dear; else None."""
    outputs, width = objective.shape
    read = outputs * (3.0 * width + _FUNCTIONS)
    curvature = outputs * (outputs + 1) / 2 * width**2 / 2
    source = objective.source
    if curvature <= _DEAR * read or not isinstance(source, Rows):
        return None
    n = source.X.shape[0]
    count = int(max(20 * outputs * width, n * _DEAR * read / curvature))
    if count > n // 2:
        return None
    if given.spare is None:
        given.spare = read_sample(source, count)
    return _stand_in(objective, given.spare)


def _balance(coefficients: Matrix, penalties: Penalties) -> None:
    """Have what all outputs may share sum to zero over them, in place."""
    free = (penalties.l1 == 0) | (np.arange(len(penalties.l1)) == len(penalties.l1) - 1)
    coefficients[:, free] -= coefficients[:, free].mean(axis=0)
