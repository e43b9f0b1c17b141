"""What a model of largest likelihood says of its coefficients."""

from typing import Any, ClassVar

from rmodels.base.state import Absent, check_is_fitted
from rmodels.data.arrays import on_host
from rmodels.solvers import likelihood
from rmodels.solvers.likelihood import Likelihood
from rmodels.solvers.summary import LikelihoodSummary

__all__ = ["LikelihoodModel"]


class LikelihoodModel:
    """A model that, fitted without a penalty, tests its coefficients."""

    _attributes: ClassVar[dict[str, Any]] = {"_likelihood": Likelihood | Absent}

    fit_intercept: bool
    n_features_in_: int

    def _refusal(self) -> str | None:
        """Return what of the parameters leaves no largest likelihood, and what to set."""
        raise NotImplementedError

    def _keep_likelihood(self, found: Likelihood | None) -> None:
        """Keep what tests the coefficients, if there is any."""
        self.__dict__.pop("_likelihood", None)
        if found is not None:
            self._likelihood = found

    def _holds_likelihood(self, outputs: int) -> bool:
        """Return whether what is kept is of this model, if anything is."""
        kept: Likelihood | None = vars(self).get("_likelihood")
        if kept is None:
            return True
        side = outputs * (self.n_features_in_ + self.fit_intercept)
        shapes = kept.coefficients.size, kept.covariance.shape
        return shapes in ((side, (side, side)), (side, (0, 0)))

    def summary(self, *, confidence: float = 0.95) -> LikelihoodSummary:
        """Test the coefficients of largest likelihood: standard errors, z, p, intervals, AIC, BIC.

        All of it follows from what one more read of the rows in `fit` leaves: the inverse of
        Fisher's information Σ w h z zᵀ, with z = (x, 1) and h the curvature that is expected of the
        loss of a row, and the likelihoods. Weights count how often a row was seen. Of more
        than two classes, the coefficients are those that sum to zero over the classes.

        Parameters
        ----------
        confidence : float, default=0.95
            Of the intervals, between 0 and 1.

        Returns
        -------
        LikelihoodSummary
            Its attributes are the figures; printed, it is a table.

        Raises
        ------
        ValueError
            If the model has a penalty or weights of classes, no minimum, more than 3,000
            coefficients, no fewer coefficients than observations, or dependent columns.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> found = LogisticRegression(C=np.inf).fit(X, y).summary()
        >>> found.standard_errors.round(3), round(found.aic, 3), round(found.pseudo_r2, 3)
        (array([0.913, 2.546]), 8.956, 0.404)
        """
        check_is_fitted(self)
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1; got {confidence!r}")
        refusal = self._refusal()
        if refusal is not None:
            raise ValueError(
                "summary tests coefficients of largest likelihood, whose errors are known; this "
                f"model has {refusal}"
            )
        kept: Likelihood | None = vars(self).get("_likelihood")
        if kept is None:
            raise ValueError(
                "summary has nothing to test: the classes can be separated, so that no "
                "coefficients are best, or there are more than 3,000 of them or than memory_limit "
                "allows, or the parameters were changed after fit"
            )
        names = getattr(self, "feature_names_in_", None)
        labels = [f"x{i}" for i in range(self.n_features_in_)] if names is None else list(names)
        labels += ["intercept"] * self.fit_intercept
        classes: Any = None
        if len(kept.coefficients) > 1:
            classes = on_host(self.classes_).tolist()  # type: ignore[attr-defined]
        return likelihood.summarize(
            kept, labels, confidence, classes, fit_intercept=self.fit_intercept
        )
