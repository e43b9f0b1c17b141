"""Linear models."""

from rmodels.linear_model._linear_regression import LinearRegression

__all__ = ["LinearRegression"]
