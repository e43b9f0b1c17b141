# Written by `make stub`, from the catalogue.

from rmodels import plot as plot
from rmodels.cluster import DBSCAN as DBSCAN
from rmodels.cluster import HDBSCAN as HDBSCAN
from rmodels.cluster import BisectingKMeans as BisectingKMeans
from rmodels.cluster import KMeans as KMeans
from rmodels.cluster import MiniBatchKMeans as MiniBatchKMeans
from rmodels.cluster import dbscan as dbscan
from rmodels.cluster import k_means as k_means
from rmodels.cluster import kmeans_plusplus as kmeans_plusplus
from rmodels.config import config_context as config_context
from rmodels.config import get_config as get_config
from rmodels.config import set_config as set_config
from rmodels.data.scan import scan as scan
from rmodels.decomposition import PCA as PCA
from rmodels.decomposition import IncrementalPCA as IncrementalPCA
from rmodels.decomposition import TruncatedSVD as TruncatedSVD
from rmodels.discriminant_analysis import LinearDiscriminantAnalysis as LinearDiscriminantAnalysis
from rmodels.discriminant_analysis import (
    QuadraticDiscriminantAnalysis as QuadraticDiscriminantAnalysis,
)
from rmodels.export import to_onnx as to_onnx
from rmodels.files import load as load
from rmodels.files import save as save
from rmodels.impute import KNNImputer as KNNImputer
from rmodels.linear_model import ElasticNet as ElasticNet
from rmodels.linear_model import ElasticNetCV as ElasticNetCV
from rmodels.linear_model import GammaRegressor as GammaRegressor
from rmodels.linear_model import Lasso as Lasso
from rmodels.linear_model import LassoCV as LassoCV
from rmodels.linear_model import LinearRegression as LinearRegression
from rmodels.linear_model import LogisticRegression as LogisticRegression
from rmodels.linear_model import LogisticRegressionCV as LogisticRegressionCV
from rmodels.linear_model import MultiTaskElasticNet as MultiTaskElasticNet
from rmodels.linear_model import MultiTaskElasticNetCV as MultiTaskElasticNetCV
from rmodels.linear_model import MultiTaskLasso as MultiTaskLasso
from rmodels.linear_model import MultiTaskLassoCV as MultiTaskLassoCV
from rmodels.linear_model import Perceptron as Perceptron
from rmodels.linear_model import PoissonRegressor as PoissonRegressor
from rmodels.linear_model import Ridge as Ridge
from rmodels.linear_model import RidgeClassifier as RidgeClassifier
from rmodels.linear_model import RidgeClassifierCV as RidgeClassifierCV
from rmodels.linear_model import RidgeCV as RidgeCV
from rmodels.linear_model import SGDClassifier as SGDClassifier
from rmodels.linear_model import SGDOneClassSVM as SGDOneClassSVM
from rmodels.linear_model import SGDRegressor as SGDRegressor
from rmodels.linear_model import TweedieRegressor as TweedieRegressor
from rmodels.linear_model import enet_path as enet_path
from rmodels.linear_model import lasso_path as lasso_path
from rmodels.naive_bayes import GaussianNB as GaussianNB
from rmodels.neighbors import KernelDensity as KernelDensity
from rmodels.neighbors import KNeighborsClassifier as KNeighborsClassifier
from rmodels.neighbors import KNeighborsRegressor as KNeighborsRegressor
from rmodels.neighbors import KNeighborsTransformer as KNeighborsTransformer
from rmodels.neighbors import LocalOutlierFactor as LocalOutlierFactor
from rmodels.neighbors import NearestCentroid as NearestCentroid
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

__all__ = [
    "DBSCAN",
    "HDBSCAN",
    "PCA",
    "BisectingKMeans",
    "ElasticNet",
    "ElasticNetCV",
    "GammaRegressor",
    "GaussianNB",
    "IncrementalPCA",
    "KMeans",
    "KNNImputer",
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "KNeighborsTransformer",
    "KernelDensity",
    "Lasso",
    "LassoCV",
    "LinearDiscriminantAnalysis",
    "LinearRegression",
    "LocalOutlierFactor",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MiniBatchKMeans",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "NearestCentroid",
    "NearestNeighbors",
    "Perceptron",
    "PoissonRegressor",
    "QuadraticDiscriminantAnalysis",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "SGDOneClassSVM",
    "SGDRegressor",
    "TruncatedSVD",
    "TweedieRegressor",
    "config_context",
    "dbscan",
    "enet_path",
    "get_config",
    "k_means",
    "kmeans_plusplus",
    "kneighbors_graph",
    "lasso_path",
    "load",
    "patch_sklearn",
    "patched",
    "plot",
    "radius_neighbors_graph",
    "save",
    "scan",
    "set_config",
    "show_versions",
    "to_onnx",
    "unpatch_sklearn",
]

__version__: str
