"""What least squares says of its coefficients and predictions: how far off they may be."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmodels import data
from rmodels.base.state import check_is_fitted
from rmodels.base.warnings import warn
from rmodels.data import Rows, Source, hold, map_rows
from rmodels.data.arrays import on_host
from rmodels.linear_model._base import LinearModel
from rmodels.solvers import inference
from rmodels.solvers.factor import Factor, find_factor
from rmodels.solvers.inference import ROBUST
from rmodels.solvers.moments import as_array
from rmodels.solvers.summary import Summary

__all__ = ["TestedLinearModel"]


class TestedLinearModel(LinearModel):
    """A linear model that, fitted by least squares, tests its coefficients.

    Its `fit` keeps the moments of the rows as `_moments`, and how many they are as `_counted`.
    """

    fit_intercept: bool
    iterations: int | None
    positive: bool
    _targets: int | None

    def summary(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        confidence: float = 0.95,
        robust: str | None = None,
    ) -> Summary:
        """Test the coefficients of least squares: standard errors, t, p, intervals, R² and F.

        All of it follows from the moments that `fit` or `partial_fit` kept, unless those have too
        few digits: κ² or Σ (y − ȳ)² over that of the residuals is 10⁶ or more. Then the rows are
        needed, once more, and `computed_from` of the result says so. Weights are taken as inverse
        variances, up to a factor.

        Parameters
        ----------
        X, y, sample_weight : array-like, default=None
            The rows that the model was fitted to: for `robust`, and where the moments need them.
        confidence : float, default=0.95
            Of the intervals, between 0 and 1.
        robust : {None, "HC0", "HC1", "HC2", "HC3"}, default=None
            Errors that hold if the rows' variances differ; one more pass over the rows. MacKinnon
            and White, "Some heteroskedasticity-consistent covariance matrix estimators with
            improved finite sample properties", 1985.

        Returns
        -------
        Summary
            Its attributes are the figures; printed, it is a table.

        Raises
        ------
        ValueError
            If the model is not unconstrained least squares, there are no more rows than
            coefficients, the columns are dependent, or the rows are needed and not given.

        Warns
        -----
        UserWarning
            If robust="HC2" or "HC3" and a row has a leverage of 1, such as the only one of its
            category: the standard errors are NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import LinearRegression
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> model = LinearRegression().fit(X, [1.0, 2.9, 5.1, 7.0])
        >>> model.summary().standard_errors.round(4)
        array([0.0424, 0.0794])
        """
        check_is_fitted(self)
        if self.iterations is not None or self.positive:
            raise ValueError("summary tests least squares: without iterations and positive=True")
        if robust is not None and robust not in ROBUST:
            raise ValueError(f"robust must be None or one of {', '.join(ROBUST)}; got {robust!r}")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1; got {confidence!r}")
        source = None
        if X is not None:
            source = data.source(self, X, y, sample_weight, targets="numbers", reset=False)
        elif robust is not None:
            raise ValueError(f"robust={robust!r} needs the rows: summary(X, y)")
        factor = self._factor(source)
        inner = inference.meat(factor, source, robust)
        if source is not None and robust in ("HC2", "HC3") and np.isnan(inner).any():
            message = inference.explain_nan(factor, source, robust)
            if message is not None:
                warn(message)
        names = getattr(self, "feature_names_in_", None)
        labels = [f"x{i}" for i in range(self.n_features_in_)] if names is None else list(names)
        labels += ["intercept"] * self.fit_intercept
        one_target = self._targets is None
        return inference.summarize(factor, labels, inner, confidence, robust, one_target)

    def _factor(self, source: Source | None) -> Factor:
        moments, count = vars(self).get("_moments"), vars(self).get("_counted")
        d = self.n_features_in_
        dependent = getattr(self, "rank_", d) < d  # of some solvers the rank is not known
        return find_factor(moments, count, source, d, self.fit_intercept, dependent=dependent)

    def predict(
        self,
        X: ArrayLike,
        return_std: bool = False,
        *,
        interval: float | None = None,
        interval_of: str = "observation",
    ) -> Any:
        """Predict by X · coef + intercept.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation of weight 1 about its
            prediction, too: σ √(1 + leverage). Least squares only, from the moments.
        interval : float, default=None
            The confidence, between 0 and 1, of an interval about each prediction, whose ends are
            returned, too: prediction ± t σ √(1 + leverage), t the quantile of Student's t. Least
            squares only, from the moments.
        interval_of : {"observation", "mean"}, default="observation"
            What the interval holds: a new observation of weight 1, or the mean of all such, where
            it is prediction ± t σ √leverage.

        Returns
        -------
        prediction : ndarray of shape (n_samples,) or (n_samples, n_targets)
        std : ndarray of the same shape
            Only if `return_std`.
        low, high : ndarray of the same shape
            Only if `interval`.

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0])
        >>> prediction, std = model.predict([[4.0]], return_std=True)
        >>> prediction.round(2), std.round(2)
        (array([10.]), array([0.61]))
        >>> prediction, low, high = model.predict([[4.0]], interval=0.95)
        >>> low.round(2), high.round(2)
        (array([7.37]), array([12.63]))
        """
        if not return_std and interval is None:
            return super().predict(X)
        check_is_fitted(self)
        asked = "return_std" if return_std else "interval"
        if self.iterations is not None or self.positive:
            raise ValueError(f"{asked} needs least squares without positive=True")
        if interval is not None and not 0 < interval < 1:
            raise ValueError(f"interval must be between 0 and 1; got {interval!r}")
        if interval_of not in ("observation", "mean"):
            raise ValueError(f"interval_of must be 'observation' or 'mean'; got {interval_of!r}")
        answer = partial(
            hold(self, X)._predict_with_spread,
            factor=self._factor(None),
            std=return_std,
            interval=interval,
            of=interval_of,
        )
        return map_rows(self, X, answer)

    def _predict_with_spread(
        self, rows: Rows, factor: Factor, std: bool, interval: float | None, of: str
    ) -> tuple[Any, ...]:
        """Return the predictions of checked rows, their deviations, and the ends of intervals."""
        predicted = self._predict(rows)
        Z = as_array(rows.X)
        found: list[Any] = [predicted]
        if std:
            spread = np.sqrt(factor.variance * (1 + factor.leverages(Z)[:, np.newaxis]))
            found.append(spread[:, 0] if self._targets is None else spread)
        if interval is not None:
            half = factor.half_widths(Z, interval, of)
            half = half[:, 0] if self._targets is None else half
            centre = np.asarray(on_host(predicted), np.float64)
            found += [centre - half, centre + half]
        return tuple(found)
