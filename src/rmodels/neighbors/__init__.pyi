# Written by `make stub`, from the catalogue.

from rmodels.neighbors._classification import KNeighborsClassifier as KNeighborsClassifier
from rmodels.neighbors._classification import RadiusNeighborsClassifier as RadiusNeighborsClassifier
from rmodels.neighbors._graph import KNeighborsTransformer as KNeighborsTransformer
from rmodels.neighbors._graph import RadiusNeighborsTransformer as RadiusNeighborsTransformer
from rmodels.neighbors._graph import kneighbors_graph as kneighbors_graph
from rmodels.neighbors._graph import radius_neighbors_graph as radius_neighbors_graph
from rmodels.neighbors._kde import KernelDensity as KernelDensity
from rmodels.neighbors._lof import LocalOutlierFactor as LocalOutlierFactor
from rmodels.neighbors._nearest_centroid import NearestCentroid as NearestCentroid
from rmodels.neighbors._regression import KNeighborsRegressor as KNeighborsRegressor
from rmodels.neighbors._regression import RadiusNeighborsRegressor as RadiusNeighborsRegressor
from rmodels.neighbors._unsupervised import NearestNeighbors as NearestNeighbors

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
