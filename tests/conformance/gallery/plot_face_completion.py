"""miscellaneous/plot_multioutput_face_completion: multi-output regression, on the digits."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

data, targets = load_digits(return_X_y=True)
# points of equal distance, of which scikit-learn's algorithms choose differently, are told apart
data = data + 1e-6 * np.random.default_rng(0).standard_normal(data.shape)
train, test = data[targets < 7], data[targets >= 7]
half = data.shape[1] // 2
for name, estimator in {"K-nn": KNeighborsRegressor(), "Linear": LinearRegression(tol=0)}.items():
    estimator.fit(train[:, :half], train[:, half:])
    predicted = estimator.predict(test[:, :half])
    print(name, round(float(np.mean((predicted - test[:, half:]) ** 2)), 8))
