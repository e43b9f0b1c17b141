"""manifold/plot_compare_methods and cluster/plot_dbscan: estimators that look for neighbours."""

import numpy as np
from sklearn import datasets, manifold, metrics
from sklearn.cluster import DBSCAN
from sklearn.preprocessing import StandardScaler

X, _ = datasets.make_s_curve(300, random_state=0)
isomap = manifold.Isomap(n_neighbors=12, n_components=2).fit(X)
print("Isomap", round(float(isomap.reconstruction_error()), 8))
lle = manifold.LocallyLinearEmbedding(n_neighbors=12, random_state=0).fit(X)
print("LLE", lle.reconstruction_error_ < 1e-5)
centers = [[1, 1], [-1, -1], [1, -1]]
X, labels_true = datasets.make_blobs(
    n_samples=750, centers=centers, cluster_std=0.4, random_state=0
)
labels = DBSCAN(eps=0.3, min_samples=10).fit(StandardScaler().fit_transform(X)).labels_
print("DBSCAN", np.bincount(labels + 1).tolist(), metrics.v_measure_score(labels_true, labels))
