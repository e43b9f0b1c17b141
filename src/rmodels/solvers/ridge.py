"""Ridge regression: for a given penalty as exact as least squares."""

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Source
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.least_squares import read, solve_by_products, solve_penalty
from rmodels.solvers.plan import Route, plan_least_squares, smaller_side
from rmodels.solvers.result import LinearFit

__all__ = ["solve"]


def solve(
    source: Source,
    penalties: NDArray[np.float64],
    fit_intercept: bool,
    *,
    positive: bool = False,
    n_threads: int | None = None,
    known: Moments | Gram | None = None,
) -> LinearFit:
    """Minimise Σ w (y − x·coef − intercept)² + α Σ coef², each target with its own α.

    Parameters
    ----------
    source : Source
    penalties : ndarray of shape (n_targets,)
        α, at least 0.
    fit_intercept : bool
    positive : bool
        Whether the coefficients must be at least 0.
    n_threads : int, optional
        Most threads; None means all.
    known : Moments or Gram, optional
        Of the source; computed if they are needed and not known.
    """
    route = plan_least_squares(source, positive=positive)
    if route.otherwise is not None and _leads(route.otherwise, known):
        route = route.otherwise  # what is known need not be read
    fitted, route = solve_by_products(source, route, fit_intercept, n_threads, penalties)
    if fitted is not None:
        return fitted
    with blas_threads(smaller_side(source), n_threads or 1):
        first = read(source, route, fit_intercept, n_threads, known)
        coefficients = np.empty((source.n_features + 1, source.n_targets))
        solver = route.solver
        for penalty in np.unique(penalties):
            chosen = penalties == penalty
            found, _, by_rows = solve_penalty(
                first, source, fit_intercept, float(penalty), positive, first.moments
            )
            coefficients[:, chosen] = found[:, chosen]
            if by_rows:
                solver = "rows"
        return LinearFit(coefficients, solver, first.engine)


def _leads(route: Route, known: Moments | Gram | None) -> bool:
    """Return whether what is known is what a route reads."""
    return isinstance(known, Gram) if route.solver == "gram" else isinstance(known, Moments)
