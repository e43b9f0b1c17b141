# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Density from scratch
#
# k-means asks which centre is near. Density asks how many points are near: clusters are where many
# points lie, of any shape, and what lies apart is noise. We write DBSCAN, HDBSCAN, kernel densities
# and the local outlier factor in NumPy, and get what `rmodels` gives, to the last label.

# %%
import matplotlib.pyplot as plt
import numpy as np

from rmodels import DBSCAN, HDBSCAN, KernelDensity, LocalOutlierFactor

rng = np.random.default_rng(0)
angles = rng.uniform(0, 2 * np.pi, 500)
radii = np.repeat([1.0, 3.0], [150, 350]) + 0.12 * rng.standard_normal(500)
rings = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
X = np.vstack([rings, rng.uniform(-4, 4, (40, 2))])

# %% [markdown]
# ## Core points
# Two points are neighbours if their distance is at most $\varepsilon$. A point is *core* if it has
# enough neighbours, itself among them.

# %%
eps, enough = 0.5, 6
distances = np.sqrt(((X[:, None] - X) ** 2).sum(axis=2))
near = distances <= eps
core = near.sum(axis=1) >= enough

# %% [markdown]
# ## Clusters
# Core points that are neighbours belong together. A label spreads from a core point to all that are
# near, and on from those that are core; a point that is not passes nothing on.


# %%
def spread(near, core):
    """Return the label of each point, -1 of noise."""
    labels = np.full(len(core), -1)
    for start in np.flatnonzero(core):
        if labels[start] >= 0:
            continue
        number, reached = labels.max() + 1, np.array([start])
        while len(reached):
            labels[reached] = number
            around = near[reached[core[reached]]].any(axis=0)
            reached = np.flatnonzero(around & (labels < 0))
    return labels


labels = spread(near, core)
model = DBSCAN(eps, min_samples=enough).fit(X)
assert (model.labels_ == labels).all()
assert (model.core_sample_indices_ == np.flatnonzero(core)).all()

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
axes[0].scatter(*X.T, s=12, c=np.where(core, "C0", "C1"))
axes[0].set(title="core points, and others", xlabel="x (length)", ylabel="y (length)")
axes[1].scatter(*X[labels >= 0].T, s=12, c=labels[labels >= 0], cmap="tab10")
axes[1].scatter(*X[labels < 0].T, s=14, marker="x", c="grey")
axes[1].set(title=f"{labels.max() + 1} clusters, and noise", xlabel="x (length)")
plt.show()

# %% [markdown]
# The matrix `near` has a value for each pair of points, and no large data set has room for it. The
# library keeps none of its rows: a point is done when it has neighbours enough, and core points are
# joined as they are met. In what order does not matter, as being connected has none.
#
# ## How far is near?
# The distance of each point to its k-th neighbour, sorted, has a knee where noise begins.

# %%
kth = np.sort(np.sort(distances, axis=1)[:, enough - 1])[::-1]
figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.plot(kth)
axis.axhline(eps, color="C1", label="eps")
axis.set(xlabel="points (count)", ylabel="distance to the 6th nearest (length)")
axis.legend()
plt.show()

# %% [markdown]
# ## A height at every place
# Instead of counting the points within $\varepsilon$, let each count by how near it is, and density
# becomes a smooth function of the place: with a bandwidth h and d = 2 features,
#
# $$p(x) = \frac{1}{n (2 \pi)^{d/2} h^d} \sum_i \exp(-\|x - x_i\|^2 / 2 h^2).$$
#
# Far from all points every summand is 0 in float64, and log p(x) is not: the largest exponent is
# taken out of the sum before the exponentials are.

# %%
h = 0.35
line = np.linspace(-5, 5, 101)
grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
exponents = -((grid[:, None] - X) ** 2).sum(axis=2) / (2 * h**2)
top = exponents.max(axis=1)
log_density = top + np.log(np.exp(exponents - top[:, None]).sum(axis=1))
log_density -= np.log(len(X) * 2 * np.pi * h**2)

smooth = KernelDensity(bandwidth=h).fit(X)
np.testing.assert_allclose(smooth.score_samples(grid), log_density, rtol=1e-12, atol=1e-12)
assert np.isfinite(smooth.score_samples([[1e6, 0.0]])).all()  # though p is 0 in float64

figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
shown = axis.contourf(line, line, np.exp(log_density).reshape(101, 101), levels=12, cmap="viridis")
figure.colorbar(shown, label="density (1 / length²)")
axis.set(xlabel="x (length)", ylabel="y (length)")
plt.show()

# %% [markdown]
# ## Outliers where densities differ
# One $\varepsilon$ is one density. The local outlier factor compares the density about a point with
# that about its neighbours: with $d_k(z)$ the distance of z to its k-th nearest,
#
# $$\text{density}(x)^{-1} = \text{mean}_{z \in N(x)} \max(d(x, z), d_k(z)), \qquad
# \text{LOF}(x) = \text{mean}_{z \in N(x)} \text{density}(z) / \text{density}(x).$$

# %%
k = 20
order = np.argsort(distances, axis=1, kind="stable")[:, 1 : k + 1]
to_near = np.take_along_axis(distances, order, axis=1)
reach = np.maximum(to_near, to_near[order, -1])
density = 1 / (reach.mean(axis=1) + 1e-10)
factor = density[order].mean(axis=1) / density

outliers = LocalOutlierFactor(n_neighbors=k).fit(X)
np.testing.assert_allclose(-outliers.negative_outlier_factor_, factor, rtol=1e-12)

figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
shown = axis.scatter(*X.T, s=18 * factor, c=factor, cmap="viridis")
figure.colorbar(shown, label="local outlier factor (ratio)")
axis.set(xlabel="x (length)", ylabel="y (length)")
plt.show()

# %% [markdown]
# ## Clusters of any density
# HDBSCAN looks at all $\varepsilon$ at once. The *core distance* $c(x)$ is that to the k-th
# nearest, the point itself counted; two points *reach* each other at
#
# $$w(x, z) = \max(c(x), c(z), d(x, z)).$$
#
# At each distance, those that reach each other hang together. Only the edges of a minimum spanning
# tree matter for that: Prim grows it from the first point, by the least edge out of what it has. Of
# edges that weigh the same the shorter goes first.

# %%
groups = [((-2, 0), 0.15, 80), ((-1, 1.5), 0.25, 80), ((2.5, 0), 0.8, 120)]
spread_out = np.vstack([rng.normal(m, s, (n, 2)) for m, s, n in groups])
Z = np.vstack([spread_out, rng.uniform(-4, 5, (30, 2))])
n, k, enough = len(Z), 6, 15
d = np.sqrt(((Z[:, None] - Z) ** 2).sum(axis=2))
c = np.sort(d, axis=1)[:, k - 1]
w = np.maximum(d, np.maximum.outer(c, c))

inside = np.zeros(n, dtype=bool)
inside[0] = True
edges = []
while not inside.all():
    rows, columns = np.nonzero(np.outer(inside, ~inside))
    least = np.lexsort((d[rows, columns], w[rows, columns]))[0]
    a, b = rows[least], columns[least]
    edges.append((w[a, b], d[a, b], a, b))
    inside[b] = True
edges.sort()

model = HDBSCAN(min_cluster_size=enough, min_samples=k, copy=True).fit(Z)
assert (model.single_linkage_tree_[:, 2] == [edge[0] for edge in edges]).all()

# %% [markdown]
# ## The tree, without what is small
# Edges, the least first, merge clusters. Read from the end: the cluster of all points loses points
# as the density $\lambda = 1 / w$ grows, until it splits into two of at least 15. So does each of
# these. We keep of each cluster how many points are left, and which of them drop out when.


# %%
def merge(edges):
    """Return the root of the merges: (w, left, right) of each, a number of each point."""
    nodes = list(range(n))
    members = [[i] for i in range(n)]
    for weight, _, a, b in edges:
        both = (weight, nodes[a], nodes[b]), members[a] + members[b]
        for i in both[1]:
            nodes[i], members[i] = both
    return nodes[0]


def points(node):
    return [node] if np.isscalar(node) else points(node[1]) + points(node[2])


def condense(node, birth=0.0):
    """Return a cluster: its birth, the points that drop out and when, and what it splits into."""
    dropped, stays = [], []
    while True:
        weight, *sides = node
        large = [side for side in sides if len(points(side)) >= enough]
        for side in sides:
            if side not in large:
                dropped += points(side)
                stays += [1 / weight] * len(points(side))
        if len(large) != 1:
            return {
                "birth": birth,
                "rows": dropped,
                "stays": stays,
                "end": 1 / weight,
                "parts": [condense(side, 1 / weight) for side in large],
            }
        node = large[0]


def size(cluster):
    return len(cluster["rows"]) + sum(map(size, cluster["parts"]))


tree = condense(merge(edges))

# %% [markdown]
# ## Which clusters last?
# A cluster's stability is how long its points stay in it, summed: the area of what is drawn below.
# It is chosen unless those within it have more together.


# %%
def choose(cluster):
    """Return the most stability that a cluster or those in it have, and which these are."""
    stability = sum(end - cluster["birth"] for end in cluster["stays"])
    stability += sum((cluster["end"] - cluster["birth"]) * size(each) for each in cluster["parts"])
    found = [choose(each) for each in cluster["parts"]]
    below = sum(each for each, _ in found)
    if below > stability or cluster is tree:
        return below, [each for _, some in found for each in some]
    return stability, [cluster]


def members(cluster):
    return cluster["rows"] + [i for each in cluster["parts"] for i in members(each)]


_, chosen = choose(tree)
labels = np.full(n, -1)
for cluster in chosen:
    rows = members(cluster)
    (labels[rows],) = set(model.labels_[rows])  # the library's number of it, one for all
assert (model.labels_ == labels).all()
assert labels.max() + 1 == len(chosen)


# %%
def draw(axis, cluster, middle):
    """Draw how many points are left at each density, and the clusters it splits into."""
    order = np.argsort(cluster["stays"])
    heights = np.concatenate([[cluster["birth"]], np.array(cluster["stays"])[order]])
    heights = np.append(heights, cluster["end"])
    width = size(cluster) - np.append(np.arange(len(order) + 1), len(order))
    color = f"C{labels[members(cluster)[0]]}" if cluster in chosen else "0.6"
    axis.fill_betweenx(heights, middle - width / 2, middle + width / 2, step="post", color=color)
    total = sum(map(size, cluster["parts"]))
    for side, each in zip((-1, 1), cluster["parts"], strict=False):
        draw(axis, each, middle + side * (total - size(each)) / 2)


figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
axes[0].scatter(*Z[labels < 0].T, s=14, marker="x", c="grey")
for number in range(len(chosen)):
    axes[0].scatter(*Z[labels == number].T, s=12, c=f"C{number}")
axes[0].set(title="clusters of three densities", xlabel="x (length)", ylabel="y (length)")
draw(axes[1], tree, 0)
axes[1].invert_yaxis()
axes[1].set(
    title="the condensed tree", xlabel="points (count, as width)", ylabel="density (1 / length)"
)
plt.show()

# %% [markdown]
# The matrices `d` and `w` have a value for each pair. The library has none of them: it asks the
# index of nearest neighbours for the least edge of each component to another, and joins these, a
# few rounds long. Heights, labels and how long points stay are the same bits.
