"""The list of what rmodels has: every estimator, and the functions beside them.

Whatever lists them reads it here: the names of the package, `patch_sklearn`, model files, the
command line, the API reference and the tests. What others must know of an estimator stands here,
or on its class. Imports nothing that takes time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CATALOGUE", "FAMILIES", "Entry"]

# The folders of estimators, and their headings in the API reference.
FAMILIES = {
    "cluster": "Clusters",
    "decomposition": "Decompositions",
    "discriminant_analysis": "Discriminant analysis",
    "impute": "Missing values",
    "linear_model": "Linear models",
    "naive_bayes": "Naive Bayes",
    "neighbors": "Neighbours",
}


@dataclass(frozen=True)
class Entry:
    """What others must know of an estimator, or of a function beside them.

    Attributes
    ----------
    name : str
    family : str
        One of `FAMILIES`: the folder of rmodels that has it.
    file : str
        Of that folder: imported when the name is first used.
    task : {"classify", "regress", "cluster", "group", "detect", "density", "search", \
    "transform", "function"}
        "group" tells the clusters of the rows that it is fitted to, and nothing of others; "detect"
        which rows are unlike the others; "density" how densely rows lie.
    page : str
        Of the user guide.
    example : dict
        Parameters, beside the data, with which it works on any few rows.
    variants : tuple of dict
        Parameters, instead of those, that lead along other paths. The tests take each of them.
    in_sklearn : bool
        Whether scikit-learn has one of this name, at `home`.
    tabular : bool
        Whether what it answers to rows are columns of a table; graphs are not.
    together : bool
        Whether it is fitted to several targets only: y has two dimensions.
    patch : bool
        Whether `patch_sklearn` puts it in scikit-learn's place: not until scikit-learn's own
        tests pass with it there.
    abstract : bool
        Whether scikit-learn's is an abstract class, of which ours is a virtual subclass.
    """

    name: str
    family: str
    file: str
    task: str
    page: str
    example: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Mapping[str, Any], ...] = ()
    in_sklearn: bool = True
    tabular: bool = True
    together: bool = False
    patch: bool = False
    abstract: bool = False

    @property
    def module(self) -> str:
        """Where it is imported from."""
        return f"rmodels.{self.family}"

    @property
    def home(self) -> str:
        """Where scikit-learn's is imported from."""
        return f"sklearn.{self.family}"

    @property
    def predicts(self) -> bool:
        """Whether it is fitted to a target, and predicts it."""
        return self.task in ("classify", "regress")

    @property
    def has_command(self) -> bool:
        """Whether it is fitted to a table and answers with one: the command line has it."""
        without = ("group", "detect", "density", "search", "function")
        return self.tabular and self.task not in without


_DESCENT = {"iterations": 50}
_BY_DISTANCE = {"weights": "distance"}
_CHOSEN = {"Cs": 3, "l1_ratios": [0], "scoring": None, "use_legacy_attributes": False}
_PENALTIES = {"alphas": [0.1, 0.05], "tol": 1e-14}  # a tolerance for scikit-learn's
_IN_ORDER = {"shuffle": False}  # rows in parts can be taken in no other
_ALL = {"radius": 9.0}  # no row is without neighbours

CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            "LinearRegression",
            "linear_model",
            "_linear_regression",
            "regress",
            "linear_regression",
            variants=(
                _DESCENT,
                _DESCENT | {"solver": "stream"},
                {"solver": "rows"},
                {"solver": "gram"},
                {"positive": True},
            ),
            patch=True,
            abstract=True,
        ),
        Entry(
            "Ridge",
            "linear_model",
            "_ridge",
            "regress",
            "ridge",
            variants=({"positive": True},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "RidgeCV",
            "linear_model",
            "_ridge_cv",
            "regress",
            "ridge",
            variants=({"cv": 3},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "RidgeClassifier",
            "linear_model",
            "_ridge_classifier",
            "classify",
            "ridge",
            variants=({"class_weight": "balanced"},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "RidgeClassifierCV",
            "linear_model",
            "_ridge_classifier",
            "classify",
            "ridge",
            patch=True,
            abstract=True,
        ),
        Entry(
            "LogisticRegression",
            "linear_model",
            "_logistic_regression",
            "classify",
            "logistic_regression",
            variants=({"C": 0.1, "l1_ratio": 1.0, "solver": "saga"},),
            patch=True,
        ),
        Entry(
            "LogisticRegressionCV",
            "linear_model",
            "_logistic_cv",
            "classify",
            "logistic_regression",
            _CHOSEN | {"cv": 2},
            variants=(_CHOSEN | {"cv": 2, "Cs": [0.1, 1.0], "l1_ratios": [0.5], "solver": "saga"},),
            patch=True,
        ),
        Entry(
            "PoissonRegressor", "linear_model", "_generalised", "regress", "generalised", patch=True
        ),
        Entry(
            "GammaRegressor", "linear_model", "_generalised", "regress", "generalised", patch=True
        ),
        Entry(
            "TweedieRegressor",
            "linear_model",
            "_generalised",
            "regress",
            "generalised",
            variants=({"power": 1.5},),
            patch=True,
        ),
        Entry(
            "Lasso",
            "linear_model",
            "_lasso",
            "regress",
            "lasso",
            {"alpha": 0.01},
            variants=({"alpha": 0.01, "positive": True}, {"alpha": 0.0}),
            patch=True,
            abstract=True,
        ),
        Entry(
            "ElasticNet",
            "linear_model",
            "_lasso",
            "regress",
            "lasso",
            {"alpha": 0.02},
            variants=({"alpha": 0.02, "l1_ratio": 0.0},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "LassoCV",
            "linear_model",
            "_lasso_cv",
            "regress",
            "lasso",
            {"alphas": 10},
            variants=({"alphas": 10, "cv": 3, "positive": True},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "ElasticNetCV",
            "linear_model",
            "_lasso_cv",
            "regress",
            "lasso",
            {"alphas": 10},
            patch=True,
            abstract=True,
        ),
        Entry(
            "MultiTaskLasso",
            "linear_model",
            "_multi_task",
            "regress",
            "lasso",
            {"alpha": 0.01},
            variants=({"alpha": 0.0},),
            together=True,
            patch=True,
            abstract=True,
        ),
        Entry(
            "MultiTaskElasticNet",
            "linear_model",
            "_multi_task",
            "regress",
            "lasso",
            {"alpha": 0.02},
            together=True,
            patch=True,
            abstract=True,
        ),
        Entry(
            "MultiTaskLassoCV",
            "linear_model",
            "_multi_task",
            "regress",
            "lasso",
            {"alphas": 5, "cv": 3},
            together=True,
            patch=True,
            abstract=True,
        ),
        Entry(
            "MultiTaskElasticNetCV",
            "linear_model",
            "_multi_task",
            "regress",
            "lasso",
            {"alphas": 5, "cv": 3},
            together=True,
            patch=True,
            abstract=True,
        ),
        Entry(
            "SGDRegressor",
            "linear_model",
            "_stochastic_regressor",
            "regress",
            "sgd",
            _IN_ORDER,
            variants=(_IN_ORDER | {"average": True, "penalty": "l1"},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "SGDClassifier",
            "linear_model",
            "_stochastic_classifier",
            "classify",
            "sgd",
            _IN_ORDER,
            variants=(_IN_ORDER | {"loss": "log_loss", "average": True},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "Perceptron",
            "linear_model",
            "_perceptron",
            "classify",
            "sgd",
            _IN_ORDER,
            patch=True,
            abstract=True,
        ),
        Entry(
            "SGDOneClassSVM",
            "linear_model",
            "_one_class",
            "detect",
            "sgd",
            _IN_ORDER,
            patch=True,
            abstract=True,
        ),
        Entry("lasso_path", "linear_model", "_paths", "function", "lasso", _PENALTIES, patch=True),
        Entry("enet_path", "linear_model", "_paths", "function", "lasso", _PENALTIES, patch=True),
        Entry(
            "PCA",
            "decomposition",
            "_pca",
            "transform",
            "pca",
            variants=({"n_components": 2, "whiten": True}, {"n_components": 0.8}),
            patch=True,
            abstract=True,
        ),
        Entry(
            "IncrementalPCA",
            "decomposition",
            "_incremental_pca",
            "transform",
            "pca",
            variants=({"n_components": 2, "whiten": True},),
            patch=True,
            abstract=True,
        ),
        Entry("TruncatedSVD", "decomposition", "_truncated_svd", "transform", "pca", patch=True),
        Entry(
            "LinearDiscriminantAnalysis",
            "discriminant_analysis",
            "_linear",
            "classify",
            "discriminant_analysis",
            variants=({"solver": "eigen", "shrinkage": 0.2},),
            patch=True,
        ),
        Entry(
            "QuadraticDiscriminantAnalysis",
            "discriminant_analysis",
            "_quadratic",
            "classify",
            "discriminant_analysis",
            variants=({"solver": "eigen", "shrinkage": 0.2},),
            patch=True,
        ),
        Entry(
            "KMeans",
            "cluster",
            "_kmeans",
            "cluster",
            "k_means",
            {"n_clusters": 3, "random_state": 0},
            variants=({"n_clusters": 4, "init": "random", "random_state": 0},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "MiniBatchKMeans",
            "cluster",
            "_mini_batch",
            "cluster",
            "k_means",
            {"n_clusters": 3, "batch_size": 20, "random_state": 0},
            variants=({"n_clusters": 4, "init": "random", "tol": 0.01, "random_state": 0},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "BisectingKMeans",
            "cluster",
            "_bisecting",
            "cluster",
            "k_means",
            {"n_clusters": 3, "random_state": 0},
            variants=(
                {
                    "n_clusters": 5,
                    "init": "k-means++",
                    "bisecting_strategy": "largest_cluster",
                    "random_state": 0,
                },
            ),
            patch=True,
            abstract=True,
        ),
        Entry(
            "k_means",
            "cluster",
            "_functions",
            "function",
            "k_means",
            {"n_clusters": 3, "random_state": 0},
            patch=True,
        ),
        Entry(
            "kmeans_plusplus",
            "cluster",
            "_functions",
            "function",
            "k_means",
            {"n_clusters": 3, "random_state": 0},
            patch=True,
        ),
        Entry(
            "DBSCAN",
            "cluster",
            "_dbscan",
            "group",
            "dbscan",
            {"eps": 0.6},
            variants=({"eps": 1.2, "min_samples": 8, "metric": "manhattan"},),
            patch=True,
        ),
        Entry(
            "HDBSCAN",
            "cluster",
            "_hdbscan",
            "group",
            "hdbscan",
            {"copy": True},
            variants=(
                {
                    "min_samples": 3,
                    "metric": "manhattan",
                    "cluster_selection_method": "leaf",
                    "store_centers": "both",
                    "copy": True,
                },
            ),
            patch=True,
        ),
        Entry("dbscan", "cluster", "_dbscan", "function", "dbscan", {"eps": 0.9}, patch=True),
        Entry(
            "KNNImputer",
            "impute",
            "_knn",
            "transform",
            "knn_imputer",
            variants=({"n_neighbors": 3, "weights": "distance", "add_indicator": True},),
            patch=True,
        ),
        Entry(
            "GaussianNB",
            "naive_bayes",
            "_gaussian_nb",
            "classify",
            "naive_bayes",
            patch=True,
            abstract=True,
        ),
        Entry(
            "NearestNeighbors",
            "neighbors",
            "_unsupervised",
            "search",
            "nearest_neighbors",
            patch=True,
            abstract=True,
        ),
        Entry(
            "KNeighborsClassifier",
            "neighbors",
            "_classification",
            "classify",
            "neighbors_predictions",
            variants=(_BY_DISTANCE | {"algorithm": "kd_tree"},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "KNeighborsRegressor",
            "neighbors",
            "_regression",
            "regress",
            "neighbors_predictions",
            variants=(_BY_DISTANCE | {"algorithm": "brute", "metric": "manhattan"},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "RadiusNeighborsClassifier",
            "neighbors",
            "_classification",
            "classify",
            "neighbors_predictions",
            _ALL | _BY_DISTANCE,
            patch=True,
            abstract=True,
        ),
        Entry(
            "RadiusNeighborsRegressor",
            "neighbors",
            "_regression",
            "regress",
            "neighbors_predictions",
            _ALL | _BY_DISTANCE,
            patch=True,
            abstract=True,
        ),
        Entry(
            "NearestCentroid",
            "neighbors",
            "_nearest_centroid",
            "classify",
            "nearest_centroid",
            variants=(
                {"shrink_threshold": 0.2, "priors": "empirical"},
                {"metric": "manhattan"},
            ),
            patch=True,
        ),
        Entry(
            "LocalOutlierFactor",
            "neighbors",
            "_lof",
            "detect",
            "local_outlier_factor",
            {"n_neighbors": 7, "novelty": True},
            variants=({"n_neighbors": 7, "contamination": 0.2},),
            patch=True,
            abstract=True,
        ),
        Entry(
            "KernelDensity",
            "neighbors",
            "_kde",
            "density",
            "kernel_density",
            variants=(
                {"kernel": "linear", "bandwidth": 9.0},
                {"kernel": "exponential", "metric": "manhattan", "bandwidth": "scott"},
            ),
            patch=True,
        ),
        Entry(
            "KNeighborsTransformer",
            "neighbors",
            "_graph",
            "transform",
            "neighbors_graphs",
            tabular=False,
            patch=True,
            abstract=True,
        ),
        Entry(
            "RadiusNeighborsTransformer",
            "neighbors",
            "_graph",
            "transform",
            "neighbors_graphs",
            tabular=False,
            patch=True,
            abstract=True,
        ),
        Entry(
            "kneighbors_graph",
            "neighbors",
            "_graph",
            "function",
            "neighbors_graphs",
            {"n_neighbors": 2},
            patch=True,
        ),
        Entry(
            "radius_neighbors_graph",
            "neighbors",
            "_graph",
            "function",
            "neighbors_graphs",
            {"radius": 1.0},
            patch=True,
        ),
    )
}
