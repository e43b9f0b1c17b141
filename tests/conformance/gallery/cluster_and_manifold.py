"""What examples of cluster/ and manifold/ print whose estimators look for neighbours."""

import numpy as np
from sklearn import manifold, metrics
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.datasets import make_blobs, make_s_curve, make_swiss_roll
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import StandardScaler


def plot_dbscan():
    X, truth = make_blobs(
        n_samples=750, centers=[[1, 1], [-1, -1], [1, -1]], cluster_std=0.4, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    labels = DBSCAN(eps=0.3, min_samples=10).fit(X).labels_
    print("Estimated number of clusters:", len(set(labels) - {-1}))
    print("Estimated number of noise points:", np.count_nonzero(labels == -1))
    for score in (
        metrics.homogeneity_score,
        metrics.completeness_score,
        metrics.v_measure_score,
        metrics.adjusted_rand_score,
        metrics.adjusted_mutual_info_score,
    ):
        print(f"{score.__name__}: {score(truth, labels):.3f}")
    print(f"Silhouette Coefficient: {metrics.silhouette_score(X, labels):.3f}")


def plot_ward_structured_vs_unstructured():
    X, _ = make_swiss_roll(1500, noise=0.05, random_state=0)
    X[:, 1] *= 0.5
    connectivity = kneighbors_graph(X, n_neighbors=10, include_self=False)
    ward = AgglomerativeClustering(n_clusters=6, connectivity=connectivity, linkage="ward")
    labels = ward.fit(X).labels_
    print("Number of points:", labels.size, np.bincount(labels).tolist())


def plot_compare_methods():
    X, _ = make_s_curve(1500, random_state=0)
    for method in ("standard", "hessian", "modified"):
        model = manifold.LocallyLinearEmbedding(
            method=method, n_neighbors=12, eigen_solver="auto", random_state=0
        )
        print(method, f"{model.fit(X).reconstruction_error_:.3g}")
    isomap = manifold.Isomap(n_neighbors=12, n_components=2, p=1).fit(X)
    print("Isomap", f"{isomap.reconstruction_error():.6f}")


for example in (plot_dbscan, plot_ward_structured_vs_unstructured, plot_compare_methods):
    print(example.__name__)
    example()
