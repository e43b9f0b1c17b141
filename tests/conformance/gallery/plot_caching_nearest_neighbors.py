"""neighbors/plot_caching_nearest_neighbors: a grid search over a cached graph of neighbours."""

from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer
from sklearn.pipeline import Pipeline

X, y = load_digits(return_X_y=True)
# points of equal distance, of which scikit-learn's algorithms choose differently, are told apart
X = X + 1e-6 * np.random.default_rng(0).standard_normal(X.shape)
n_neighbors_list = [1, 2, 3, 4, 5, 6, 7, 8, 9]
graph_model = KNeighborsTransformer(n_neighbors=max(n_neighbors_list), mode="distance")
classifier_model = KNeighborsClassifier(metric="precomputed")
with TemporaryDirectory(prefix="sklearn_graph_cache_") as tmpdir:
    full_model = Pipeline(
        steps=[("graph", graph_model), ("classifier", classifier_model)], memory=tmpdir
    )
    grid_model = GridSearchCV(full_model, {"classifier__n_neighbors": n_neighbors_list})
    grid_model.fit(X, y)
    for k, score in zip(
        n_neighbors_list, grid_model.cv_results_["mean_test_score"].tolist(), strict=True
    ):
        print(k, score)
