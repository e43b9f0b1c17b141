"""What examples of other folders print of these estimators, or write into their figures."""

# ruff: noqa: NPY002

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import (
    load_digits,
    load_iris,
    load_sample_image,
    make_circles,
    make_classification,
    make_moons,
)
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler


def plot_classifier_comparison():
    X, y = make_classification(
        n_features=2, n_redundant=0, n_informative=2, random_state=1, n_clusters_per_class=1
    )
    X += 2 * np.random.RandomState(2).uniform(size=X.shape)
    for data in (
        make_moons(noise=0.3, random_state=0),
        make_circles(noise=0.2, factor=0.5, random_state=1),
        (X, y),
    ):
        X_train, X_test, y_train, y_test = train_test_split(*data, test_size=0.4, random_state=42)
        model = make_pipeline(StandardScaler(), KNeighborsClassifier(3)).fit(X_train, y_train)
        print(f"{model.score(X_test, y_test):.2f}")


def plot_digits_classification_exercise():
    X, y = load_digits(return_X_y=True)
    X = X / X.max()
    train = slice(int(0.9 * len(X)))
    test = slice(train.stop, None)
    score = KNeighborsClassifier().fit(X[train], y[train]).score(X[test], y[test])
    print(f"KNN score: {score:f}")


def plot_causal_interpretation():
    n, rng = 10_000, np.random.RandomState(32)
    experience = np.maximum(rng.normal(20, 10, size=n).astype(int), 0)
    ability = rng.normal(0, 0.15, size=n)
    parent = np.maximum(50 * rng.beta(2, 8, size=n), 0)
    degree = (9 * ability + 0.02 * parent + rng.randn(n) > 0.7).astype(int)
    wage = 0.2 * experience + parent + 2 * degree + 5 * ability + rng.normal(0, 1, size=n)
    X = np.column_stack([experience, parent, degree, ability])
    X_train, X_test, y_train, y_test = train_test_split(
        X, np.maximum(wage, 0), test_size=0.2, random_state=0
    )
    for columns in (4, 3):
        model = LinearRegression().fit(X_train[:, :columns], y_train)
        print(f"R2 score: {model.score(X_test[:, :columns], y_test):.3f}", model.coef_)


def plot_pcr_vs_pls():
    rng = np.random.RandomState(0)
    X = rng.multivariate_normal(mean=[0, 0], cov=[[3, 3], [3, 4]], size=500)
    y = X.dot(PCA(n_components=2).fit(X).components_[1]) + rng.normal(size=500) / 2
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=rng)
    for name, model in (
        ("PCR", make_pipeline(StandardScaler(), PCA(n_components=1), LinearRegression())),
        ("PLS", PLSRegression(n_components=1)),
        ("PCR with 2 components", make_pipeline(PCA(n_components=2), LinearRegression())),
    ):
        print(f"{name} r-squared {model.fit(X_train, y_train).score(X_test, y_test):.3f}")


def plot_underfitting_overfitting():
    np.random.seed(0)
    X = np.sort(np.random.rand(30))
    y = np.cos(1.5 * np.pi * X) + np.random.randn(30) * 0.1
    # There 15, not 8: of condition 1e14, where what scikit-learn prints is rounding, and has
    # exact arithmetic beside it in test_conditioning.py. 8 has 1e6, which leaves 8 digits of 3.
    # tol=0: by default, scikit-learn's drops directions of these columns, ours none.
    for degree in (1, 4, 8):
        model = make_pipeline(
            PolynomialFeatures(degree, include_bias=False), LinearRegression(tol=0)
        )
        scores = cross_val_score(
            model, X[:, np.newaxis], y, scoring="neg_mean_squared_error", cv=10
        )
        print(f"Degree {degree} MSE = {-scores.mean():.2e}(+/- {scores.std():.2e})")


def plot_release_highlights_0_24_0():
    X, y = load_iris(return_X_y=True, as_frame=True)
    selector = SequentialFeatureSelector(KNeighborsClassifier(3), n_features_to_select=2)
    names = X.columns[selector.fit(X, y).get_support()].tolist()
    print(f"Features selected by forward sequential selection: {names}")


def plot_multioutput_face_completion():
    # There, of faces that need a download: here, the lower half of pieces of a photograph.
    image = load_sample_image("flower.jpg").mean(axis=2)
    pieces = extract_patches_2d(image, (16, 16), max_patches=1200, random_state=0)
    upper, lower = pieces[:, :8].reshape(1200, -1), pieces[:, 8:].reshape(1200, -1)
    for model in (KNeighborsRegressor(), LinearRegression()):
        predicted = model.fit(upper[:1000], lower[:1000]).predict(upper[1000:])
        print(type(model).__name__, f"{np.mean((predicted - lower[1000:]) ** 2):.4f}")


for example in (
    plot_classifier_comparison,
    plot_digits_classification_exercise,
    plot_causal_interpretation,
    plot_pcr_vs_pls,
    plot_underfitting_overfitting,
    plot_release_highlights_0_24_0,
    plot_multioutput_face_completion,
):
    print(example.__name__)
    example()
