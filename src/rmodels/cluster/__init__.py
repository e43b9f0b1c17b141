"""Clusters."""

from rmodels.base.sklearn import pass_for
from rmodels.cluster._functions import k_means, kmeans_plusplus
from rmodels.cluster._kmeans import KMeans

__all__ = ["KMeans", "k_means", "kmeans_plusplus"]

pass_for("sklearn.cluster", KMeans)
