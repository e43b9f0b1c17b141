"""neighbors/plot_nca_classification: k-NN with and without neighbourhood components."""

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

X, y = datasets.load_iris(return_X_y=True)
# points of equal distance, of which scikit-learn's algorithms choose differently, are told apart
X = X[:, [0, 2]] + 1e-6 * np.random.default_rng(0).standard_normal((len(X), 2))
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, test_size=0.7, random_state=42
)
classifiers = [
    Pipeline([("scaler", StandardScaler()), ("knn", KNeighborsClassifier(n_neighbors=1))]),
    Pipeline(
        [
            ("scaler", StandardScaler()),
            ("nca", NeighborhoodComponentsAnalysis()),
            ("knn", KNeighborsClassifier(n_neighbors=1)),
        ]
    ),
]
for name, clf in zip(("KNN", "NCA, KNN"), classifiers, strict=True):
    print(name, clf.fit(X_train, y_train).score(X_test, y_test))
