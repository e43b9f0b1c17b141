"""Coefficients of lasso and elastic net for many penalties."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base.sklearn import Interval, StrOptions, validate_params
from rmodels.base.warnings import warn
from rmodels.data.arrays import as_kind_of
from rmodels.linear_model._base import check_some
from rmodels.solvers import coordinate
from rmodels.solvers.penalized import Form, Penalties
from rmodels.solvers.smooth import fit_any

__all__ = ["check_precompute", "enet_path", "lasso_path", "space_alphas", "warn_if_missed"]

_CONSTRAINTS: dict[str, list] = {
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like", "sparse matrix"],
    "eps": [Interval(Real, 0, None, closed="neither")],
    "n_alphas": [Interval(Integral, 1, None, closed="left"), StrOptions({"deprecated"})],
    "alphas": [
        Interval(Integral, 1, None, closed="left"),
        "array-like",
        None,
        StrOptions({"warn"}),
    ],
    "precompute": [StrOptions({"auto"}), "boolean", "array-like"],
    "Xy": ["array-like", None],
    "copy_X": ["boolean"],
    "coef_init": ["array-like", None],
    "verbose": ["verbose"],
    "return_n_iter": ["boolean"],
    "positive": ["boolean"],
}

_KNOWN = {
    "X_offset": None,
    "X_scale": None,
    "sample_weight": None,
    "tol": 1e-4,
    "max_iter": 1000,
    "random_state": None,
    "selection": "cyclic",
    "do_screening": True,
}


def check_precompute(precompute: Any) -> None:
    """Raise scikit-learn's error if products of the columns are no array."""
    if isinstance(precompute, (bool, str, type(None))) or hasattr(precompute, "__array__"):
        return
    raise ValueError(
        f"Precompute should be one of True, False, 'auto' or array-like. Got {precompute!r}: give "
        "products of the columns as an array, numpy.asarray(precompute)"
    )


def space_alphas(largest: float, l1_ratio: float, eps: float, count: int) -> NDArray[np.float64]:
    """Return penalties from the one whose coefficients are 0 to `eps` times that, as logarithms.

    Parameters
    ----------
    largest : float
        l1 whose coefficients are 0.
    l1_ratio, eps : float
    count : int
    """
    if l1_ratio == 0:
        raise ValueError(
            "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a grid "
            "by providing your estimator with the appropriate `alphas=` argument."
        )
    least = np.finfo(np.float64).resolution
    alpha_max = largest / l1_ratio
    if alpha_max <= least:
        return np.full(count, least)
    found: NDArray[np.float64] = np.geomspace(alpha_max, alpha_max * eps, num=count)
    return found


def warn_if_missed(violation: float, of: str = "") -> None:
    """Warn of coefficients that are no minimum.

    Parameters
    ----------
    violation : float
        Of the conditions of optimality, over the norms of a column and y.
    of : str
        Whose they are, if not those of all rows.
    """
    if violation > coordinate.BOUND:
        warn(
            f"Objective did not converge{of}: the conditions of optimality are missed by "
            f"{violation:.1e} of the norms of a column and y, more than {coordinate.BOUND:.0e}. "
            "Raise alpha, or remove columns that nearly depend on others",
            ConvergenceWarning,
        )


def _choose(n_alphas: Any, alphas: Any) -> Any:
    """Return how many penalties, or which, by scikit-learn's rules until 1.11."""
    chosen: Any = 100
    if n_alphas != "deprecated":
        warn(
            "'n_alphas' was deprecated in 1.9 and will be removed in 1.11. 'alphas' now accepts an "
            "integer value which removes the need to pass 'n_alphas'. The default value of "
            "'alphas' will change from None to 100 in 1.11. Pass an explicit value to 'alphas' and "
            "leave 'n_alphas' to its default value to silence this warning.",
            FutureWarning,
        )
        chosen = n_alphas
    if isinstance(alphas, str):
        return chosen
    if alphas is None:
        warn(
            "'alphas=None' is deprecated and will be removed in 1.11, at which point the default "
            "value will be set to 100. Set 'alphas=100' to silence this warning.",
            FutureWarning,
        )
        return chosen
    return alphas


class _Path(BaseEstimator):
    """What the columns of X are compared with: nothing, as a path is no estimator."""


def _follow(
    X: Any,
    y: Any,
    l1_ratio: float,
    eps: float,
    alphas: Any,
    coef_init: Any,
    return_n_iter: bool,
    positive: bool,
    given: dict[str, Any],
) -> Any:
    known = _KNOWN | given
    if len(known) > len(_KNOWN):
        raise ValueError("Unexpected parameters in params", given.keys() - _KNOWN.keys())
    if alphas is not None:
        check_some("alphas", alphas)
    check_random_state(known["random_state"])
    if known["selection"] not in ("random", "cyclic"):
        raise ValueError("selection should be either random or cyclic.")
    if sparse.issparse(y):
        y = y.toarray()
    source = data.source(_Path(), X, y, known["sample_weight"], targets="numbers")
    form = Form(False, together=not source.one_target, positive=positive)
    if form.together and positive:
        raise ValueError("positive=True is not allowed for multi-output (y.ndim != 1)")
    moments = None
    if isinstance(alphas, Integral):
        largest, moments = coordinate.read_largest(source, form, source.threads(None))
        chosen = space_alphas(largest, l1_ratio, eps, int(alphas))
    else:
        chosen = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    start = None
    if coef_init is not None:
        start = np.atleast_2d(np.asarray(coef_init, dtype=np.float64)).T
        if start.shape != (source.n_features, source.n_targets):
            raise ValueError(f"coef_init must hold {source.n_targets} x {source.n_features} values")
    found = fit_any(
        source,
        Penalties.of(chosen, l1_ratio),
        form,
        source.threads(None),
        start=start,
        moments=moments,
    )
    warn_if_missed(found.violation)
    coefficients = found.coefficients[:, :-1].astype(source.dtype)
    coefs = coefficients[:, :, 0].T if source.one_target else coefficients.transpose(2, 1, 0)
    result = chosen, as_kind_of(np.ascontiguousarray(coefs), X), found.gaps[:, 0]
    return (*result, [int(each) for each in found.steps[:, 0]]) if return_n_iter else result


@validate_params(
    _CONSTRAINTS
    | {"l1_ratio": [Interval(Real, 0.0, 1.0, closed="both")], "check_input": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def enet_path(
    X: ArrayLike,
    y: ArrayLike,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: int | str = "deprecated",
    alphas: Any = "warn",
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: bool | int = False,
    return_n_iter: bool = False,
    positive: bool = False,
    check_input: bool = True,
    **params: Any,
) -> Any:
    """Compute the elastic net's coefficients for many penalties, without an intercept.

    For each α they minimise ½ Σᵢ wᵢ ‖yᵢ − Bᵀxᵢ‖² / Σ wᵢ + α ρ Σⱼ ‖bⱼ‖ + ½ α (1 − ρ) Σⱼ ‖bⱼ‖², with
    ρ the ``l1_ratio`` and bⱼ the coefficients of a column for all targets.

    Parameters
    ----------
    X : array-like, sparse matrix or scan of shape (n_samples, n_features)
        Centred, if the model is to have an intercept.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    l1_ratio : float, default=0.5
        ρ. At 0, `alphas` must be given.
    eps : float, default=1e-3
        The smallest α over the largest, which is the smallest without a coefficient.
    n_alphas : int, default="deprecated"
        How many; deprecated by scikit-learn: give it as `alphas`.
    alphas : int or array-like, default="warn"
        How many, or which, in any order; by default 100.
    precompute : "auto", bool or array-like, default="auto"
        Accepted for compatibility, as are `Xy`, `copy_X`, `verbose` and `check_input`: X is never
        changed, and which products are needed is decided here.
    Xy : array-like, default=None
    copy_X : bool, default=True
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), default=None
        Where to begin. It leads to the same minimum.
    verbose : bool or int, default=False
    return_n_iter : bool, default=False
        Whether to return `n_iters`, too.
    positive : bool, default=False
        Whether the coefficients must be at least 0. For one target only.
    check_input : bool, default=True
    **params : dict
        `sample_weight`; and accepted for compatibility `tol`, `max_iter`, `selection`,
        `random_state`, `do_screening`, `X_offset` and `X_scale`.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Descending.
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
        In the dtype of X.
    dual_gaps : ndarray of shape (n_alphas,)
    n_iters : list of int
        As `n_iter_` of `ElasticNet`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import enet_path
    >>> X = np.array([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> alphas, coefs, _ = enet_path(X, 4.0 * X[:, 0] + X[:, 1], alphas=[1.0, 8.0])
    >>> alphas, coefs.round(6)
    (array([8., 1.]), array([[0.      , 2.333333],
           [0.      , 0.333333]]))
    """
    check_precompute(precompute)
    chosen = _choose(n_alphas, alphas)
    return _follow(X, y, l1_ratio, eps, chosen, coef_init, return_n_iter, positive, params)


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def lasso_path(
    X: ArrayLike,
    y: ArrayLike,
    *,
    eps: float = 1e-3,
    n_alphas: int | str = "deprecated",
    alphas: Any = "warn",
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: bool | int = False,
    return_n_iter: bool = False,
    positive: bool = False,
    **params: Any,
) -> Any:
    """Compute the lasso's coefficients for many penalties, without an intercept.

    `enet_path` with l1_ratio=1.

    Parameters
    ----------
    X, y, eps, n_alphas, alphas, precompute, Xy, copy_X, coef_init, verbose, return_n_iter, positive
        As in `enet_path`.
    **params : dict
        As there.

    Returns
    -------
    alphas, coefs, dual_gaps, n_iters
        As there.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import lasso_path
    >>> X = np.array([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> alphas, coefs, _ = lasso_path(X, 4.0 * X[:, 0] + X[:, 1], alphas=3, eps=0.25)
    >>> alphas.round(6), coefs.round(6)
    (array([4., 2., 1.]), array([[0., 2., 3.],
           [0., 0., 0.]]))
    """
    check_precompute(precompute)
    chosen = _choose(n_alphas, alphas)
    return _follow(X, y, 1.0, eps, chosen, coef_init, return_n_iter, positive, params)
