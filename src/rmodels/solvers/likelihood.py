"""What a largest likelihood says of its coefficients: how far off they may be.

The covariance of the coefficients is φ times the inverse of Fisher's information Σ w h z zᵀ, with
h the curvature that is expected of the loss of a row, and φ the scale of the distribution.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, special, stats

from rmodels.config import get_config
from rmodels.data import Rows
from rmodels.data.arrays import on_host
from rmodels.ops import glm
from rmodels.solvers.losses import Evaluation, Family, Objective, respond
from rmodels.solvers.summary import LikelihoodSummary

__all__ = ["Likelihood", "find_likelihood", "summarize"]

Matrix = NDArray[np.float64]

_ROWS_AT_A_TIME = 4096
_DEPENDENT = 1e-15  # times the coefficients: of a pivot of the scaled information, nothing is left


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What is known of a model of largest likelihood.

    Attributes
    ----------
    coefficients : ndarray of shape (n_outputs, n_coefficients)
        In float64, and last the intercepts if there are any.
    covariance : ndarray of shape (n_outputs · n_coefficients,) * 2
        An output after the other; empty if the columns are dependent.
    weight : float
        Σ w.
    free : int
        Coefficients that can be chosen.
    scale, value, null : float
        φ, the log-likelihood, and that of the same prediction for all rows.
    """

    coefficients: Matrix
    covariance: Matrix
    weight: float
    free: int
    scale: float
    value: float
    null: float


@dataclass(frozen=True, eq=False)
class _Seen:
    """Of some rows the information, and sums that give likelihoods; those of parts add up."""

    information: Matrix
    sums: Matrix

    def __add__(self, other: "_Seen") -> "_Seen":
        return _Seen(self.information + other.information, self.sums + other.sums)


@dataclass(frozen=True, eq=False)
class _Inspection:
    """What is seen of rows in memory; it travels to the rows of a cluster."""

    evaluation: Evaluation

    def __call__(self, rows: Rows) -> _Seen:
        if self.evaluation.family.loss in ("logistic", "multinomial"):
            return self._of_classes(rows)
        row = 8 * self.evaluation.theta.shape[1]
        step = max(_ROWS_AT_A_TIME, int(get_config()["memory_limit"] // 64) // row)
        first, *others = map(self._of_targets, rows.blocks(step))
        return sum(others, first)

    def _of_classes(self, rows: Rows) -> _Seen:
        family = self.evaluation.family
        y, weights = respond(family, rows, None)
        counts = np.bincount(y.astype(np.intp), weights, minlength=max(2, family.n_outputs))
        found = self.evaluation(rows)
        assert found.curvature is not None
        return _Seen(found.curvature, np.append(counts, found.loss))

    def _of_targets(self, rows: Rows) -> _Seen:
        evaluation = self.evaluation
        family, theta = evaluation.family, evaluation.theta[0]
        y, weights = respond(family, rows, None)
        w = np.ones(len(y)) if weights is None else weights
        centre = np.zeros(len(theta) - 1) if evaluation.centre is None else evaluation.centre
        X = rows.X if sparse.issparse(rows.X) else on_host(rows.X)
        margins = np.asarray(X @ theta[:-1], dtype=np.float64) + (theta[-1] - theta[:-1] @ centre)
        identity = family.loss == "tweedie_identity"
        mu = margins if identity else np.exp(margins)
        near = theta[-1] if identity else np.exp(theta[-1])
        # of targets that are what is expected of them, the curvature is Fisher's information
        found = evaluation(replace(rows, Y=mu[:, np.newaxis]))
        assert found.curvature is not None
        lost = glm.measure(
            margins[:, np.newaxis],
            y,
            family.loss,
            power=family.power,
            weights=weights,
            n_threads=evaluation.n_threads,
        ).loss
        sums = [
            w.sum(),
            w @ y,
            w @ ((y - mu) ** 2 * mu**-family.power),
            lost,
            w @ _weigh_targets(y, family.power, near),
            w @ ((y - mu) ** 2 / (y * mu**2)) if family.power == 3 else 0.0,
        ]
        return _Seen(found.curvature, np.array(sums))


def _weigh_targets(y: Matrix, power: float, near: float) -> Matrix:
    """Return what a likelihood needs of targets alone; squares are of differences from `near`."""
    if power == 0:
        return (y - near) ** 2
    if power == 1:
        found: Matrix = special.gammaln(y + 1)
        return found
    return np.log(y) if power in (2, 3) else np.zeros_like(y)


def find_likelihood(objective: Objective, theta: Matrix) -> Likelihood:
    """Return what is known of a model at its largest likelihood, in one read.

    Parameters
    ----------
    objective : Objective
        Without penalties.
    theta : ndarray of shape (n_outputs, n_features + 1)
        Coefficients where it is least.
    """
    family, centre = objective.family, objective.centre
    objective.reads += 1
    evaluation = Evaluation(family, theta, centre, None, None, True, objective.n_threads)
    seen: _Seen = objective.source.fold(_Inspection(evaluation))
    outputs, width = theta.shape
    kept = width if objective.fit_intercept else width - 1
    free = max(1, outputs - 1) * kept
    coefficients = theta[:, :kept].copy()
    shear = np.eye(kept)
    if centre is not None:
        coefficients[:, -1] -= theta[:, :-1] @ centre
        shear[-1, :-1] = -centre
    if outputs > 1:
        coefficients -= coefficients.mean(axis=0)
    covariance = np.empty((0, 0))
    inverse = _invert(seen.information.reshape(outputs, width, outputs, width)[:, :kept, :, :kept])
    if inverse is not None:
        sheared = np.einsum("ij,kjlm,nm->kiln", shear, inverse, shear, optimize=True)
        covariance = sheared.reshape(outputs * kept, -1)
    if family.loss in ("logistic", "multinomial"):
        counts, value = seen.sums[:-1], -seen.sums[-1]
        weight, scale = counts.sum(), 1.0
        null = float(special.xlogy(counts, counts / weight).sum())
    else:
        weight, scale, value, null = _likelihoods(family, seen.sums, free, theta[0, -1])
    weight, value = float(weight), float(value)
    return Likelihood(coefficients, covariance * scale, weight, free, scale, value, null)


def _invert(information: Matrix) -> Matrix | None:
    """Return the inverse of information (K, d, K, d), of outputs that sum to 0 if K is above 1.

    None if the columns are dependent.
    """
    K, d = information.shape[:2]
    basis = np.ones((1, 1)) if K == 1 else linalg.helmert(K).T  # (K, K − 1), orthonormal
    n_free = basis.shape[1] * d
    H = np.einsum("ka,kilj,lb->aibj", basis, information, basis, optimize=True)
    H = H.reshape(n_free, n_free)
    diagonal = np.diag(H)
    if not (diagonal > 0).all():
        return None
    size = 1 / np.sqrt(diagonal)
    try:
        factor = linalg.cholesky(H * size * size[:, np.newaxis], lower=True)
    except linalg.LinAlgError:
        return None
    if not np.min(np.diag(factor)) ** 2 > n_free * _DEPENDENT:
        return None
    root = linalg.solve_triangular(factor, np.diag(size), lower=True)
    inverse = (root.T @ root).reshape(basis.shape[1], d, basis.shape[1], d)
    found: Matrix = np.einsum("ka,aibj,lb->kilj", basis, inverse, basis, optimize=True)
    return found


def _likelihoods(
    family: Family, sums: Matrix, free: int, intercept: float
) -> tuple[float, float, float, float]:
    """Return Σ w, the scale, and the log-likelihoods of the model and of the mean."""
    W, total, pearson, lost, known, unlike = map(float, sums)
    mean, power = total / W, family.power
    if power == 1:
        null = total * np.log(mean) - total if mean > 0 else 0.0
        return W, 1.0, -lost - known, float(null - known)
    scale = pearson / (W - free) if free < W else np.nan
    if not scale > 0:
        return W, scale, np.nan, np.nan
    if power == 0:
        identity = family.loss == "tweedie_identity"
        phi = pearson / W if identity else scale  # the likeliest, where it has a closed form
        near = intercept if identity else np.exp(intercept)
        apart = known - W * (mean - near) ** 2
        constant = W * np.log(2 * np.pi * phi)
        value, null = (-0.5 * (each / phi + constant) for each in (pearson, apart))
    elif power == 2:
        k = 1 / scale
        constant = W * (k * np.log(k) - special.gammaln(k)) + (k - 1) * known
        value, null = (constant - k * each for each in (lost, W * (np.log(mean) + 1)))
    elif power == 3:
        # Σ w / y less twice the losses is the deviance; 1 / y cancels in the difference
        constant = -0.5 * (W * np.log(2 * np.pi * scale) + 3 * known)
        value = constant - unlike / (2 * scale)
        null = value - (-0.5 * W / mean - lost) / scale
    else:
        value = null = np.nan
    return W, scale, float(value), float(null)


def summarize(
    found: Likelihood,
    names: list[str],
    confidence: float,
    classes: list[Any] | None,
    *,
    fit_intercept: bool,
) -> LikelihoodSummary:
    """Return the tests that a likelihood leads to.

    Parameters
    ----------
    found : Likelihood
    names : list of str
        Of the coefficients.
    confidence : float
    classes : list or None
        Of the outputs, if there are several.
    fit_intercept : bool
        Whether the last coefficient is the intercept.

    Raises
    ------
    ValueError
        If the columns are dependent, or there are no more observations than coefficients.
    """
    freedom = found.weight - found.free
    if not freedom > 0:
        raise ValueError(
            f"summary needs more observations than coefficients: there are {found.weight:g} for "
            f"{found.free}"
        )
    if not found.covariance.size:
        raise ValueError(
            "summary needs independent columns: some are combinations of others, or of the "
            "intercept, and have no coefficients of their own. Leave such columns out"
        )
    coefficients = found.coefficients
    errors = np.sqrt(np.diag(found.covariance)).reshape(coefficients.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = coefficients / errors
    half = stats.norm.ppf(0.5 + confidence / 2) * errors
    arrays: dict[str, Any] = {
        "coefficients": coefficients,
        "standard_errors": errors,
        "z_values": z,
        "p_values": 2 * stats.norm.sf(np.abs(z)),
        "confidence_intervals": np.stack([coefficients - half, coefficients + half], axis=-1),
    }
    if classes is None:
        arrays = {name: value[0] for name, value in arrays.items()}
    gain = 2 * (found.value - found.null)
    slopes = found.free - max(1, len(coefficients) - 1)
    ratio = gain if fit_intercept else np.nan
    return LikelihoodSummary(
        names=names,
        **arrays,
        covariance=found.covariance,
        log_likelihood=found.value,
        null_log_likelihood=found.null,
        pseudo_r2=1 - found.value / found.null if found.null else np.nan,
        cox_snell_r2=-float(np.expm1(-gain / found.weight)),
        aic=2 * found.free - 2 * found.value,
        bic=found.free * float(np.log(found.weight)) - 2 * found.value,
        likelihood_ratio=ratio,
        likelihood_ratio_p_value=float(stats.chi2.sf(ratio, slopes)),
        scale=found.scale,
        n_observations=found.weight,
        degrees_of_freedom=freedom,
        confidence=confidence,
        classes=classes,
    )
