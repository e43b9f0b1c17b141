# Written by `make stub`, from the catalogue.

from rmodels.cluster._bisecting import BisectingKMeans as BisectingKMeans
from rmodels.cluster._dbscan import DBSCAN as DBSCAN
from rmodels.cluster._dbscan import dbscan as dbscan
from rmodels.cluster._functions import k_means as k_means
from rmodels.cluster._functions import kmeans_plusplus as kmeans_plusplus
from rmodels.cluster._hdbscan import HDBSCAN as HDBSCAN
from rmodels.cluster._kmeans import KMeans as KMeans
from rmodels.cluster._mini_batch import MiniBatchKMeans as MiniBatchKMeans

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
