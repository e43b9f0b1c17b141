"""Nearest neighbours."""

from rmodels.base.sklearn import pass_for
from rmodels.neighbors._classification import KNeighborsClassifier, RadiusNeighborsClassifier
from rmodels.neighbors._graph import (
    KNeighborsTransformer,
    RadiusNeighborsTransformer,
    kneighbors_graph,
    radius_neighbors_graph,
)
from rmodels.neighbors._kde import KernelDensity
from rmodels.neighbors._lof import LocalOutlierFactor
from rmodels.neighbors._nearest_centroid import NearestCentroid
from rmodels.neighbors._regression import KNeighborsRegressor, RadiusNeighborsRegressor
from rmodels.neighbors._unsupervised import NearestNeighbors

__all__ = [
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "KNeighborsTransformer",
    "KernelDensity",
    "LocalOutlierFactor",
    "NearestCentroid",
    "NearestNeighbors",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "kneighbors_graph",
    "radius_neighbors_graph",
]

pass_for(
    "sklearn.neighbors",
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LocalOutlierFactor,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
)
