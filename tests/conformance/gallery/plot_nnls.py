"""linear_model/plot_nnls: least squares with coefficients of at least 0."""

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

np.random.seed(42)  # noqa: NPY002
n_samples, n_features = 200, 50
X = np.random.randn(n_samples, n_features)  # noqa: NPY002
true_coef = 3 * np.random.randn(n_features)  # noqa: NPY002
true_coef[true_coef < 0] = 0
y = np.dot(X, true_coef)
y += 5 * np.random.normal(size=(n_samples,))  # noqa: NPY002
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
for positive in (True, False):
    reg = LinearRegression(positive=positive).fit(X_train, y_train)
    score = r2_score(y_test, reg.predict(X_test))
    print(f"positive={positive} R2 score {score:.12f}, zeros: {(reg.coef_ == 0).sum()}")
