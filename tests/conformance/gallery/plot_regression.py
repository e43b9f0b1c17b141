"""neighbors/plot_regression: k-NN regression of a sine with both weights."""

import numpy as np
from sklearn import neighbors

rng = np.random.RandomState(0)
X = np.sort(5 * rng.rand(40, 1), axis=0)
T = np.linspace(0, 5, 500)[:, np.newaxis]
y = np.sin(X).ravel()
y[::5] += 1 * (0.5 - rng.rand(8))
for weights in ("uniform", "distance"):
    predicted = neighbors.KNeighborsRegressor(5, weights=weights).fit(X, y).predict(T)
    print(weights, predicted.round(10).tolist())
