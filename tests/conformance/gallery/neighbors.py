"""What the examples of neighbors/ compute, and print or write into their figures."""

from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    NeighborhoodComponentsAnalysis,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def plot_classification():
    iris = load_iris(as_frame=True)
    X, y = iris.data[["sepal length (cm)", "sepal width (cm)"]], iris.target
    # Of 17 of the 38 test points, the 11th and the 12th neighbour are at one distance: which counts
    # is up to the algorithm, and scikit-learn's takes another than the one of lower index.
    X = X + 1e-6 * np.random.default_rng(0).standard_normal(X.shape)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    model = Pipeline([("scaler", StandardScaler()), ("knn", KNeighborsClassifier(n_neighbors=11))])
    for weights in ("uniform", "distance"):
        model.set_params(knn__weights=weights).fit(X_train, y_train)
        print(weights, model.score(X_test, y_test), model.predict(X_test).tolist())


def plot_nca_classification():
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X[:, [0, 2]], y, stratify=y, test_size=0.7, random_state=42
    )
    for steps in ((), (NeighborhoodComponentsAnalysis(),)):
        model = make_pipeline(StandardScaler(), *steps, KNeighborsClassifier(n_neighbors=1))
        # of distances that are equal on the flowers' grid of 0.1 cm, the last bit of what NCA finds
        # takes one: two of 105 scores hang on it
        print(f"{model.fit(X_train, y_train).score(X_test, y_test):.1f}")


def plot_nca_dim_reduction():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    for reduction in (
        PCA(n_components=2, random_state=0),
        LinearDiscriminantAnalysis(n_components=2),
        NeighborhoodComponentsAnalysis(n_components=2, max_iter=5, random_state=0),
    ):
        model = make_pipeline(StandardScaler(), reduction).fit(X_train, y_train)
        knn = KNeighborsClassifier(n_neighbors=3).fit(model.transform(X_train), y_train)
        print(f"{type(reduction).__name__} {knn.score(model.transform(X_test), y_test):.2f}")


def plot_regression():
    rng = np.random.RandomState(0)
    X = np.sort(5 * rng.rand(40, 1), axis=0)
    y = np.sin(X).ravel()
    y[::5] += 1 * (0.5 - rng.rand(8))
    for weights in ("uniform", "distance"):
        model = KNeighborsRegressor(5, weights=weights).fit(X, y)
        print(weights, model.predict(np.linspace(0, 5, 500)[:, np.newaxis]).round(10).tolist())


def plot_caching_nearest_neighbors():
    X, y = load_digits(return_X_y=True)
    ks = list(range(1, 10))
    graph = KNeighborsTransformer(n_neighbors=max(ks), mode="distance")
    with TemporaryDirectory(prefix="sklearn_graph_cache_") as folder:
        model = make_pipeline(graph, KNeighborsClassifier(metric="precomputed"), memory=folder)
        search = GridSearchCV(model, {"kneighborsclassifier__n_neighbors": ks}).fit(X, y)
    print(search.best_params_, search.best_score_)
    # More digits would tell ties apart: at k = 8, scikit-learn's kd_tree scores 0.9583, its brute
    # force 0.9577.
    print(*(f"{score:.2f}" for score in search.cv_results_["mean_test_score"]))


for example in (
    plot_classification,
    plot_nca_classification,
    plot_nca_dim_reduction,
    plot_regression,
    plot_caching_nearest_neighbors,
):
    print(example.__name__)
    example()
