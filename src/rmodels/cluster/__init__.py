"""Clusters."""

from rmodels.base.sklearn import pass_for
from rmodels.cluster._bisecting import BisectingKMeans
from rmodels.cluster._dbscan import DBSCAN, dbscan
from rmodels.cluster._functions import k_means, kmeans_plusplus
from rmodels.cluster._hdbscan import HDBSCAN
from rmodels.cluster._kmeans import KMeans
from rmodels.cluster._mini_batch import MiniBatchKMeans

__all__ = [
    "DBSCAN",
    "HDBSCAN",
    "BisectingKMeans",
    "KMeans",
    "MiniBatchKMeans",
    "dbscan",
    "k_means",
    "kmeans_plusplus",
]

pass_for("sklearn.cluster", KMeans, MiniBatchKMeans, BisectingKMeans)
