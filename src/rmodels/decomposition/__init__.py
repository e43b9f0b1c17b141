"""Decompositions."""

from rmodels.base.sklearn import pass_for
from rmodels.decomposition._pca import PCA

__all__ = ["PCA"]

pass_for("sklearn.decomposition", PCA)
