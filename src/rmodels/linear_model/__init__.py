"""Linear models."""

from rmodels.base.sklearn import pass_for
from rmodels.linear_model._linear_regression import LinearRegression
from rmodels.linear_model._ridge import Ridge
from rmodels.linear_model._ridge_cv import RidgeCV

__all__ = ["LinearRegression", "Ridge", "RidgeCV"]

pass_for("sklearn.linear_model", LinearRegression, Ridge, RidgeCV)
