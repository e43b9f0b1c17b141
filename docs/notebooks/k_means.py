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
# # k-means from scratch
#
# Two lines by turns: each row takes the nearest centre, each centre the mean of its rows. We write
# them in NumPy and get `rmodels.KMeans` to the last label. Then we look at where to begin, at the
# distances that need not be measured at all, and at what each step up the ladder costs.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from rmodels import KMeans, MiniBatchKMeans, kmeans_plusplus, plot

rng = np.random.default_rng(0)
middles = np.array([[0.0, 0.0], [4.0, 0.5], [1.0, 4.0], [6.0, 5.0], [7.0, 1.0]])
X = middles[rng.integers(0, 5, 600)] + 0.7 * rng.standard_normal((600, 2))

# %% [markdown]
# ## Lloyd's two steps
# With centres $m_c$, the inertia is
#
# $$\sum_i \min_c \lVert x_i - m_c \rVert^2 .$$
#
# For given centres the nearest is the best label, and for given labels the mean is the best centre:
# neither step can raise it.


# %%
def nearest(X, centres):
    """Return which centre is nearest to each row, and the square of its distance."""
    squares = ((X[:, None] - centres) ** 2).sum(axis=2)
    return squares.argmin(axis=1), squares.min(axis=1)


def lloyd(X, centres):
    """Return centres, labels, and the inertia after each iteration."""
    labels, history = None, []
    while True:
        before, (labels, _) = labels, nearest(X, centres)
        centres = np.array([X[labels == c].mean(axis=0) for c in range(len(centres))])
        history.append(((X - centres[labels]) ** 2).sum())
        if before is not None and (labels == before).all():
            return centres, labels, history


start = X[:5]
centres, labels, history = lloyd(X, start)
model = KMeans(5, init=start, tol=0).fit(X)
assert (labels == model.labels_).all()
assert np.allclose(centres, model.cluster_centers_, rtol=1e-12)
assert np.allclose(history, model.inertia_history_, rtol=1e-12)

fig, axes = plt.subplots(1, 2, figsize=(10, 4))
plot.clusters(model, X, axes[0])
plot.inertia(model, axes[1])
plt.show()

# %% [markdown]
# ## Where to begin
# It goes down to where it can, which need not be the lowest place. k-means++ draws rows far apart:
# each next one by the square of its distance to the nearest so far. The greedy form draws a few and
# keeps the one that leaves the least sum of squares.


# %%
def seed(X, k, random):
    """Return the places of rows to begin with, by the draws of `RandomState`."""
    n, trials = len(X), 2 + int(np.log(k))
    places = [random.choice(n, p=np.full(n, 1 / n))]
    closest = ((X - X[places[0]]) ** 2).sum(axis=1)
    while len(places) < k:
        drawn = np.searchsorted(closest.cumsum(), random.uniform(size=trials) * closest.sum())
        left = np.minimum(closest, ((X[drawn][:, None] - X) ** 2).sum(axis=2))
        best = left.sum(axis=1).argmin()
        places.append(drawn[best])
        closest = left[best]
    return np.array(places)


assert (seed(X, 5, np.random.RandomState(0)) == kmeans_plusplus(X, 5, random_state=0)[1]).all()

many = {
    init: [KMeans(5, init=init, n_init=1, random_state=s).fit(X).inertia_ for s in range(200)]
    for init in ("random", "k-means++")
}
fig, ax = plt.subplots()
for init, found in many.items():
    ax.plot(np.arange(1, 201) / 2, np.sort(found), label=init)
ax.set_xlabel("share of 200 runs, %")
ax.set_ylabel("inertia at the end, squared units of X")
ax.legend(title="init")
plt.show()
assert np.mean(many["k-means++"]) < np.mean(many["random"])

# %% [markdown]
# ## Distances that nobody needs
# If the centres moved by $\delta_c$, a row's distance to its own centre grew by at most that
# $\delta$, and the distance to the next nearest shrank by at most the largest of the others. While
# the first bound is below the second, the label stands, and the row need not be read. We count the
# rows that must be.


# %%
def count_reads(X, centres):
    """Return the share of rows that are read in each iteration."""
    upper, lower = np.full(len(X), np.inf), np.zeros(len(X))
    labels, shares = np.zeros(len(X), dtype=int), []
    for _ in range(len(history)):
        read = upper >= lower
        shares.append(read.mean())
        distances = np.sqrt(((X[read][:, None] - centres) ** 2).sum(axis=2))
        labels[read] = distances.argmin(axis=1)
        upper[read], lower[read] = np.partition(distances, 1, axis=1)[:, :2].T
        moved = np.array([X[labels == c].mean(axis=0) for c in range(len(centres))])
        drift = np.sqrt(((moved - centres) ** 2).sum(axis=1))
        centres, upper, lower = moved, upper + drift[labels], lower - drift.max()
    assert (labels == model.labels_).all()
    return shares


shares = count_reads(X, start)
fig, ax = plt.subplots()
ax.plot(np.arange(1, len(shares) + 1), 100 * np.array(shares), marker=".")
ax.set_xlabel("iteration")
ax.set_ylabel("rows that are read, %")
plt.show()
assert shares[-1] < 0.2 < shares[0]

# %% [markdown]
# `rmodels` keeps such bounds, too, and rows that it does read are compared in
# float32 first: only where the scores are closer than their errors does it measure in float64. So
# labels are those of float64, and few rows pay for it. Sums are integers on a fine grid, the same
# in any order: on any number of threads, a fit has the same bits.

# %%
first, second = (KMeans(5, init=start).fit(rows) for rows in (X, X[::-1]))
assert (first.cluster_centers_ == second.cluster_centers_).all()

# %% [markdown]
# ## The ladder, measured
# The same ten iterations on 20,000 rows of 8 columns with 50 clusters, and mini-batches, which do
# something else: they settle for a little more inertia.

# %%
middles = 10 * rng.random((50, 8))
X = middles[rng.integers(0, 50, 20_000)] + rng.standard_normal((20_000, 8))
start = X[:50]
given = {"init": start, "n_init": 1, "tol": 0, "max_iter": 10}


def in_numpy():
    """Return the inertia after ten iterations, of products: |x|² + |m|² − 2 x·m."""
    centres, squares = start, (X**2).sum(axis=1)[:, None]
    for _ in range(10):
        labels = ((centres**2).sum(axis=1) - 2 * X @ centres.T + squares).argmin(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, X)
        centres = sums / np.bincount(labels, minlength=50)[:, None]
    return nearest(X, centres)[1].sum()


steps = {
    "NumPy, differences": lambda: [nearest(X, start) for _ in range(10)] and None,
    "NumPy, products": in_numpy,
    "rmodels": lambda: KMeans(50, **given).fit(X).inertia_,
    "mini-batches": lambda: (
        MiniBatchKMeans(50, init=start, n_init=1, random_state=0).fit(X).inertia_
    ),
}
seconds, found = {}, {}
for name, step in steps.items():
    begun = time.perf_counter()
    found[name] = step()
    seconds[name] = time.perf_counter() - begun
assert np.isclose(found["NumPy, products"], found["rmodels"], rtol=1e-9)
assert found["mini-batches"] < 1.5 * found["rmodels"]

fig, ax = plt.subplots()
ax.barh(list(seconds), list(seconds.values()))
ax.set_xscale("log")
ax.set_xlabel("time, s")
ax.invert_yaxis()
plt.show()
