"""Integrals of kernels, for densities."""

import math

from scipy.special import gammaln

__all__ = ["log_integral"]

_STEPS = 20  # of the recursion: each divides its error by more than 10


def log_integral(kernel: str, n_features: int) -> float:
    """Return log ∫ K(‖x‖) dx over R^d.

    With V_d = π^(d/2) / Γ(d/2 + 1) the volume of the ball:

    - gaussian: (2π)^(d/2)
    - tophat: V_d
    - epanechnikov: V_d · 2 / (d + 2)
    - exponential: V_d · d!
    - linear: V_d / (d + 1)
    - cosine: V_d · d ∫₀¹ cos(π r / 2) r^(d−1) dr

    Parameters
    ----------
    kernel : str
        One of `rmodels.ops.kernel_sums.KERNELS`, of bandwidth 1.
    n_features : int
        d, at least 1.

    Examples
    --------
    >>> from math import exp, pi
    >>> from rmodels.solvers.kernels import log_integral
    >>> round(exp(log_integral("cosine", 2)), 12) == round(4 - 8 / pi, 12)
    True
    """
    d = n_features
    if kernel == "gaussian":
        return 0.5 * d * math.log(2 * math.pi)
    volume = 0.5 * d * math.log(math.pi) - float(gammaln(0.5 * d + 1))
    return (
        volume
        + {
            "tophat": lambda: 0.0,
            "epanechnikov": lambda: math.log(2 / (d + 2)),
            "exponential": lambda: float(gammaln(d + 1)),
            "linear": lambda: -math.log(d + 1),
            "cosine": lambda: math.log(d * _integrate_cosine(d - 1)),
        }[kernel]()
    )


def _integrate_cosine(power: int) -> float:
    """Return ∫₀¹ cos(π r / 2) r^power dr.

    By parts twice, I(n) = a / ((n + 1)(n + 2)) · (1 − a I(n + 2)) with a = π / 2: going down no
    digits are lost; going up, all.
    """
    a, found = 0.5 * math.pi, 0.0
    for n in range(power + 2 * _STEPS, power - 1, -2):
        found = a / ((n + 1) * (n + 2)) * (1 - a * found)
    return found
