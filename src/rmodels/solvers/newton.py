"""Minima of losses of linear predictors with squared penalties, in few reads of the rows.

Newton's method with a curvature that is read again only where the one at hand has come to lead too
slowly; between such reads, the gradients of the steps correct it (BFGS). The first steps are led by
a sample of the rows.
"""

from dataclasses import dataclass

import numpy as np

from rmodels.data import Rows
from rmodels.ops.glm import Matrix, Sums
from rmodels.solvers.curvature import Corrected, Curvature
from rmodels.solvers.lockstep import Asking, run
from rmodels.solvers.losses import Objective, Penalties
from rmodels.solvers.row_space import RowSpace

__all__ = [
    "EXACT",
    "NOISE",
    "PATIENCE",
    "Sample",
    "Search",
    "foresee",
    "minimise",
    "violations",
    "worst_of",
]

EXACT = 1e-12  # of the magnitudes that cancel in the gradient: a minimum
_STALE = 0.1  # of the decrement before: above, the curvature is read again
_STALE_EXPECTED = 0.7  # the same of one that is only expected, and that steps come to correct
_MOST_READS = 200
NOISE = 2e-14  # of the objective: differences below are rounding
_NOTHING = 1e-22  # of the objective, to be gained by another step: 11 digits of predictions
PATIENCE = 4  # reads without progress
_LEAST = np.finfo(np.float64).tiny  # of magnitudes: below, gradients have no digits
_NO_TIME = 1e6  # multiply-adds of a curvature that take less time than a step without it
_CORRECTIONS = 3  # most of a step that a sample leads
_SLOW = 0.25  # of the decrement before: a correction that leaves more is not made
_NEAR = 0.0025  # of the first decrement: a step whose correction is below is not corrected again


@dataclass(eq=False)
class Search:
    """Where a search has come to.

    Attributes
    ----------
    theta : ndarray of shape (n_outputs, n_features + 1)
    value : float
        Of the objective.
    violation : float
        The largest part of the gradient, over the magnitudes that cancel in it.
    steps : int
    separated : bool
        Whether the search went on towards infinity.
    sums : Sums or None
        At the end.
    curvature : ndarray or None
        The last of the loss that was read, without penalties.
    """

    theta: Matrix
    value: float
    violation: float
    steps: int
    separated: bool = False
    sums: Sums | None = None
    curvature: Matrix | None = None


def violations(theta: Matrix, sums: Sums, objective: Objective) -> tuple[Matrix, Matrix]:
    """Return the gradient of the objective, and what its parts are relative to."""
    pull = objective.penalties.l2 * theta
    return sums.gradient + pull, sums.magnitude + abs(pull)


def worst_of(gradient: Matrix, sizes: Matrix) -> float:
    """Return the largest part of a gradient over what it is relative to."""
    return float((abs(gradient) / np.maximum(sizes, _LEAST)).max(initial=0.0))


@dataclass(eq=False)
class Sample:
    """Some rows that stand for all.

    Attributes
    ----------
    objective : Objective
        Of these rows alone.
    share : float
        Theirs of the weight of all rows.
    found : Search, optional
        Where a search among them ended.
    """

    objective: Objective
    share: float
    found: Search | None = None

    def lead(
        self, theta: Matrix, gradient: Matrix, whole: Objective, H: Matrix | None
    ) -> tuple[Matrix, Curvature]:
        """Return a step from some coefficients, and the curvature that led it.

        It leads about to where the sample's objective is least, after terms are added to it that
        give it there the gradient of all rows, and their curvature if it is known. So what it
        misses is the difference of second or of third derivatives.

        Parameters
        ----------
        theta : ndarray of shape (n_outputs, n_features + 1)
        gradient : ndarray of shape (n_outputs, n_features + 1)
            Of the objective of all rows.
        whole : Objective
        H : ndarray or None
            The curvature of the loss of all rows.
        """
        here = None if self.found is None or self.found.theta is not theta else self.found.sums
        if here is None or here.curvature is None:
            here = run(self.objective.evaluate(theta, curvature=True), self.objective.source)
        assert here.curvature is not None
        own, lacks = here.curvature / self.share, None
        if H is not None:
            own, lacks = H, H - own
        model = Curvature(own, whole)
        apart = gradient - violations(theta, here, self.objective)[0] / self.share
        step = -model.solve(gradient.ravel())
        first = before = -float(gradient.ravel() @ step)
        for _ in range(_CORRECTIONS):
            there = theta + step.reshape(theta.shape)
            sums = run(self.objective.evaluate(there), self.objective.source)
            slope = (violations(there, sums, self.objective)[0] / self.share + apart).ravel()
            if lacks is not None:
                slope += lacks @ step
            more = -model.solve(slope)
            left = -float(slope @ more)
            if not left <= _SLOW * before or gradient.ravel() @ (step + more) >= 0:
                break
            step += more
            before = left
            if left <= _NEAR * first:
                break
        return step.reshape(theta.shape), model


def minimise(
    objective: Objective,
    start: Matrix,
    *,
    exact: float = EXACT,
    sample: Sample | None = None,
    dear: bool = False,
    known: Matrix | None = None,
    wide: RowSpace | None = None,
) -> Asking[Search]:
    """Find where the objective is least, from some coefficients on.

    Parameters
    ----------
    objective : Objective
        Without penalties on magnitudes.
    start : ndarray of shape (n_outputs, n_features + 1)
    exact : float
        The violation that ends the search.
    sample : Sample, optional
        What leads the first step, and the one after each read of the curvature.
    dear : bool
        Whether the sample's curvature takes the place of that of all rows, which is not read.
    known : ndarray, optional
        The curvature of the loss somewhere near: then none is read before it leads too slowly.
    wide : RowSpace, optional
        What takes the curvature in the space of the rows, without a read.
    """
    theta = start
    read = wide is None  # whether curvatures are
    first = read and sample is None and known is None
    sums = yield from objective.evaluate(theta, curvature=first)
    value = sums.loss + objective.penalties.value(theta)
    if not np.isfinite(value):
        theta, known = np.zeros_like(start), None
        sums = yield from objective.evaluate(theta, curvature=read and sample is None)
        value = sums.loss + objective.penalties.value(theta)
    H = sums.curvature if known is None else known
    model: Corrected | None = None if H is None else Curvature(H, objective)
    gradient, sizes = violations(theta, sums, objective)
    worst = worst_of(gradient, sizes)
    if wide is not None:
        model = wide.curve(theta, objective)
        if model is None:
            return Search(theta, value, worst, 0, False, sums)
    led = model is None
    ends = False
    stale = _STALE_EXPECTED
    if objective.family.is_convex:
        stale = 0.0 if _takes_no_time(objective) else _STALE
    free = not objective.penalties.l2[:-1].any()
    back: Matrix | None = None
    best, since, steps, contraction = worst, 0, 0, 0.0 if dear or known is not None else 1.0
    while worst > exact and objective.reads < _MOST_READS:
        if sample is not None and led:
            step, model = sample.lead(theta, gradient, objective, H)
        else:
            assert model is not None
            back = model.solve(gradient.ravel()) if back is None else back
            step = -back.reshape(theta.shape)
        led = False
        slope = float((gradient * step).sum())
        if not slope < 0:
            if not model.pairs:
                break
            model.pairs.clear()
            back = None
            continue
        refresh = not dear and contraction > stale
        length = 1.0
        while True:
            trial = theta + length * step
            sums = yield from objective.evaluate(trial, curvature=bool(refresh and read))
            new = sums.loss + objective.penalties.value(trial)
            if new <= value + 1e-4 * length * slope + NOISE * abs(value):
                break
            rise = (new - value) - length * slope
            shorter = -0.5 * length * slope / rise if np.isfinite(rise) and rise > 0 else 0.25
            length *= min(0.5, max(0.1, shorter)) if np.isfinite(new) else 0.25
            if length < 1e-12 or objective.reads >= _MOST_READS:
                break
        if not new <= value + NOISE * abs(value):
            break
        steps += 1
        following, sizes = violations(trial, sums, objective)
        moved, change = (trial - theta).ravel(), (following - gradient).ravel()
        theta, value, gradient = trial, new, following
        if refresh and sums.curvature is not None:
            H, led = sums.curvature, True
            model = Curvature(H, objective)
        elif refresh and wide is not None:
            model = wide.curve(theta, objective)
            if model is None:
                worst = worst_of(gradient, sizes)
                break
        else:
            model.add(moved, change)
        decrement = -slope
        back = model.solve(gradient.ravel())
        reached = float(gradient.ravel() @ back)
        contraction = np.sqrt(max(reached, 0) / decrement)
        if dear and contraction > 0.5 and len(model.pairs) >= 3:
            led = True
        worst = worst_of(gradient, sizes)
        ends = 0 <= reached <= _NOTHING * abs(value) and model.overlooks(gradient, sizes) <= exact
        since = 0 if worst < 0.8 * best else since + 1
        best = min(best, worst)
        if since >= PATIENCE and decrement < NOISE * abs(value):
            break
        if free and _runs_away(sums, objective):
            return Search(theta, value, worst, steps, True, sums, model.of_loss)
    if ends:  # where targets are met, magnitudes vanish with the gradient
        worst = min(worst, exact)
    if model is None:
        return Search(theta, value, worst, steps, False, sums)
    if free:
        theta = model.shorten(theta)
    return Search(theta, value, worst, steps, False, sums, model.of_loss)


def foresee(theta: Matrix, objective: Objective, before: Penalties, H: Matrix) -> Matrix:
    """Return about where the objective is least, from where it was under other penalties.

    Parameters
    ----------
    theta : ndarray of shape (n_outputs, n_features + 1)
        The minimum under those before.
    objective : Objective
    before : Penalties
        Without those on magnitudes, as are the new ones.
    H : ndarray
        The curvature of the loss.
    """
    gradient = (objective.penalties.l2 - before.l2) * theta  # what the loss has met is −l2 θ
    step = Curvature(H, objective).solve(gradient.ravel()).reshape(theta.shape)
    found: Matrix = theta - step
    return found


def _takes_no_time(objective: Objective) -> bool:
    """Return whether the curvature of all rows is read in less time than a step takes."""
    source = objective.source
    if not isinstance(source, Rows) or objective.family.n_outputs > 1:
        return False
    n_samples, n_features = source.X.shape
    return bool(n_samples * n_features**2 <= _NO_TIME)


def _runs_away(sums: Sums, objective: Objective) -> bool:
    """Return whether the losses of all rows vanish, as they do only at infinity."""
    return (
        objective.family.loss in ("logistic", "multinomial")
        and sums.loss <= 1e-9 * objective.weight
    )
