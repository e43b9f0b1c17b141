"""neighbors/plot_classification: k-NN with both weights on iris."""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

iris = load_iris(as_frame=True)
X, y = iris.data[["sepal length (cm)", "sepal width (cm)"]], iris.target
# points of equal distance, of which scikit-learn's algorithms choose differently, are told apart
X = X + 1e-6 * np.random.default_rng(0).standard_normal(X.shape)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
clf = Pipeline([("scaler", StandardScaler()), ("knn", KNeighborsClassifier(n_neighbors=11))])
for weights in ("uniform", "distance"):
    clf.set_params(knn__weights=weights).fit(X_train, y_train)
    print(weights, clf.score(X_test, y_test), clf.predict(X_test).tolist())
