"""What the examples of linear_model/ compute and print."""

# ruff: noqa: NPY002

import numpy as np
from sklearn.datasets import load_diabetes, make_regression
from sklearn.linear_model import (
    LinearRegression,
    QuantileRegressor,
    RANSACRegressor,
    TheilSenRegressor,
)
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures


def plot_ols_ridge():
    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X[:, [2]], y, test_size=20, shuffle=False)
    predicted = LinearRegression().fit(X_train, y_train).predict(X_test)
    print(f"Mean squared error: {mean_squared_error(y_test, predicted):.2f}")
    print(f"Coefficient of determination: {r2_score(y_test, predicted):.2f}")
    np.random.seed(0)
    X_train, y_train = np.array([[0.5], [1.0]]), [0.5, 1]
    for _ in range(6):
        noisy = 0.1 * np.random.normal(size=(2, 1)) + X_train
        print(LinearRegression().fit(noisy, y_train).predict([[0], [2]]))


def plot_nnls():
    np.random.seed(42)
    X = np.random.randn(200, 50)
    true_coef = np.maximum(3 * np.random.randn(50), 0)
    y = np.dot(X, true_coef) + 5 * np.random.normal(size=200)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5)
    for name, positive in (("NNLS", True), ("OLS", False)):
        model = LinearRegression(positive=positive).fit(X_train, y_train)
        # all digits there, the last of which are the rounding of two different algorithms
        print(f"{name} R2 score {r2_score(y_test, model.predict(X_test)):.6f}")
        print("zeros:", (model.coef_ == 0).sum())


def plot_ransac():
    X, y, coef = make_regression(
        n_samples=1000, n_features=1, n_informative=1, noise=10, coef=True, random_state=0
    )
    np.random.seed(0)
    X[:50] = 3 + 0.5 * np.random.normal(size=(50, 1))
    y[:50] = -3 + 10 * np.random.normal(size=50)
    plain, ransac = LinearRegression().fit(X, y), RANSACRegressor(random_state=42).fit(X, y)
    print("Estimated coefficients (true, linear regression, RANSAC):")
    print(coef, plain.coef_, ransac.estimator_.coef_, ransac.inlier_mask_.sum())


def plot_robust_fit():
    np.random.seed(42)
    X = np.random.normal(size=400)
    y = np.sin(X)
    X_test = np.random.normal(size=200)
    for corrupted, value in ((None, 0), ("X", 3), ("y", 3), ("X", 10), ("y", 10)):
        data = {"X": X.copy(), "y": y.copy()}
        if corrupted:
            data[corrupted][::3] = value
        for name, estimator in (
            ("OLS", LinearRegression()),
            ("Theil-Sen", TheilSenRegressor(random_state=42)),
            ("RANSAC", RANSACRegressor(random_state=42)),
        ):
            model = make_pipeline(PolynomialFeatures(3), estimator)
            model.fit(data["X"][:, np.newaxis], data["y"])
            error = mean_squared_error(model.predict(X_test[:, np.newaxis]), np.sin(X_test))
            print(f"{corrupted} {value} {name}: error = {error:.3f}")


def plot_quantile_regression():
    rng = np.random.RandomState(42)
    x = np.linspace(start=0, stop=10, num=100)
    X, a = x[:, np.newaxis], 5
    rng.normal(loc=0, scale=0.5 + 0.5 * x, size=100)
    y = 10 + 0.5 * x + a * (rng.pareto(a, size=100) - 1 / (a - 1))
    for name, model in (("Linear", LinearRegression()), ("Quantile", QuantileRegressor(alpha=0))):
        predicted = model.fit(X, y).predict(X)
        errors = [mean_absolute_error(y, predicted), mean_squared_error(y, predicted)]
        for scoring in ("neg_mean_absolute_error", "neg_mean_squared_error"):
            errors.append(-cross_val_score(model, X, y, cv=3, scoring=scoring).mean())
        print(name, *(f"{error:.3f}" for error in errors))


for example in (
    plot_ols_ridge,
    plot_nnls,
    plot_ransac,
    plot_robust_fit,
    plot_quantile_regression,
):
    print(example.__name__)
    example()
