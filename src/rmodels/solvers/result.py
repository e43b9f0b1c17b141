"""What every solver of a linear model gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.moments import Moments
from rmodels.solvers.closed_form import ClosedForm
from rmodels.solvers.conditioning import Conditioning

__all__ = ["LinearFit"]


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Coefficients of a linear model, and what led to them.

    Attributes
    ----------
    coefficients : ndarray of shape (n_features + 1, n_targets)
        The last row is the intercept, 0 if there is none. A tensor if the steps of gradient
        descent were computed where X is.
    solver : {"moments", "gram", "rows", "krylov", "lsqr", "stream"}
        The way that was gone.
    engine : {"reference", "native", "gpu", "scipy"}
        What computed the moments, products or steps.
    conditioning : Conditioning or None
        None if the solver does not form what tells it.
    moments : Moments or None
        Of all rows, if they were computed and did not overflow.
    learning_rate : float or None
        α of gradient descent.
    history : ndarray of shape (iterations, n_targets), tensor, ClosedForm or None
        Losses of gradient descent, or what gives them.
    warnings : tuple of Warning
        What the user should be told, by whoever knows the user's line.
    """

    coefficients: Any
    solver: str
    engine: str
    conditioning: Conditioning | None = None
    moments: Moments | None = None
    learning_rate: float | None = None
    history: NDArray[np.float64] | ClosedForm | None = None
    warnings: tuple[Warning, ...] = ()
