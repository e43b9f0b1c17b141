# Written by `make stub`, from the catalogue.

from rmodels import plot as plot
from rmodels.config import config_context as config_context
from rmodels.config import get_config as get_config
from rmodels.config import set_config as set_config
from rmodels.data.scan import scan as scan
from rmodels.decomposition import PCA as PCA
from rmodels.decomposition import IncrementalPCA as IncrementalPCA
from rmodels.decomposition import TruncatedSVD as TruncatedSVD
from rmodels.files import load as load
from rmodels.files import save as save
from rmodels.linear_model import LinearRegression as LinearRegression
from rmodels.linear_model import Ridge as Ridge
from rmodels.linear_model import RidgeCV as RidgeCV
from rmodels.naive_bayes import GaussianNB as GaussianNB
from rmodels.neighbors import KNeighborsClassifier as KNeighborsClassifier
from rmodels.neighbors import KNeighborsRegressor as KNeighborsRegressor
from rmodels.neighbors import KNeighborsTransformer as KNeighborsTransformer
from rmodels.neighbors import NearestNeighbors as NearestNeighbors
from rmodels.neighbors import RadiusNeighborsClassifier as RadiusNeighborsClassifier
from rmodels.neighbors import RadiusNeighborsRegressor as RadiusNeighborsRegressor
from rmodels.neighbors import RadiusNeighborsTransformer as RadiusNeighborsTransformer
from rmodels.neighbors import kneighbors_graph as kneighbors_graph
from rmodels.neighbors import radius_neighbors_graph as radius_neighbors_graph
from rmodels.patch import patch_sklearn as patch_sklearn
from rmodels.patch import patched as patched
from rmodels.patch import unpatch_sklearn as unpatch_sklearn
from rmodels.versions import show_versions as show_versions

__all__ = [  # noqa: RUF022
    "GaussianNB",
    "IncrementalPCA",
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "KNeighborsTransformer",
    "LinearRegression",
    "NearestNeighbors",
    "PCA",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "Ridge",
    "RidgeCV",
    "TruncatedSVD",
    "config_context",
    "get_config",
    "kneighbors_graph",
    "load",
    "patch_sklearn",
    "patched",
    "plot",
    "radius_neighbors_graph",
    "save",
    "scan",
    "set_config",
    "show_versions",
    "unpatch_sklearn",
]

__version__: str
