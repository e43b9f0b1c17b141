"""Discriminant analysis."""

from rmodels.discriminant_analysis._linear import LinearDiscriminantAnalysis
from rmodels.discriminant_analysis._quadratic import QuadraticDiscriminantAnalysis

__all__ = ["LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"]
