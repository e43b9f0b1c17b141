"""Linear models."""

from rmodels.linear_model._linear_regression import LinearRegression
from rmodels.linear_model._ridge import Ridge, RidgeCV

__all__ = ["LinearRegression", "Ridge", "RidgeCV"]
