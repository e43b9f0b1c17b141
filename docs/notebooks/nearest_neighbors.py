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
# # Nearest neighbours from scratch
#
# We write exact neighbours in four lines, classify with them, and see how an obvious shortcut
# gives wrong answers. Then we build the idea that makes the library fast and keeps it exact,
# *group minima*, a search by boxes, and measure why many dimensions are hard.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from sklearn.datasets import make_moons

from rmodels import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors, plot

rng = np.random.default_rng(0)

# %% [markdown]
# ## Four lines
# The distance of a query $q$ and a point $x$ is $\sqrt{\sum_c (x_c - q_c)^2}$. Compute all of
# them, sort, keep $k$. The sort is *stable*: of equal distances, the lower index comes first, so
# that the answer is unique.


# %%
def nearest(points, queries, k):
    gaps = points - queries[:, np.newaxis]  # (queries, points, features)
    distances = np.sqrt((gaps**2).sum(axis=2))
    indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, indices, axis=1), indices


X, y = make_moons(240, noise=0.25, random_state=0)
queries = np.array([[0.1, 0.3], [1.6, -0.9]])
distances, indices = nearest(X, queries, k=7)

model = NearestNeighbors(n_neighbors=7).fit(X)
library_distances, library_indices = model.kneighbors(queries)
np.testing.assert_array_equal(library_indices, indices)
np.testing.assert_array_equal(library_distances, distances)

ax = plot.neighbors(model, queries)
ax.set(xlabel="feature 0 (no unit)", ylabel="feature 1 (no unit)")
plt.show()

# %% [markdown]
# ## Votes
# A query's class is the one that most of its $k$ neighbours have:


# %%
def classify(points, labels, queries, k):
    indices = nearest(points, queries, k)[1]
    votes = np.stack([(labels[indices] == each).sum(axis=1) for each in np.unique(labels)], axis=1)
    return np.unique(labels)[votes.argmax(axis=1)]


grid = rng.uniform((-1.5, -1.0), (2.5, 1.5), (500, 2))
classifier = KNeighborsClassifier(n_neighbors=5).fit(X, y)
np.testing.assert_array_equal(classifier.predict(grid), classify(X, y, grid, k=5))

# %% [markdown]
# $k$ decides how smooth the boundary is: 1 follows every point, noise included; many wash out the
# shape. A fair way to choose it is to predict each point from all others, which `score(None, y)`
# does.

# %%
fig, panels = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True)
for ax, k in zip(panels, (1, 9, 90), strict=True):
    fitted = KNeighborsClassifier(n_neighbors=k).fit(X, y)
    plot.decision_boundary(fitted, X, y, ax, resolution=150)
    ax.set(title=f"k = {k}", xlabel="feature 0", ylabel="")
    ax.get_legend().remove()
panels[0].set_ylabel("feature 1")

counts = np.unique(np.geomspace(1, 200, 25).astype(int))
left_out = [KNeighborsClassifier(n_neighbors=k).fit(X, y).score(None, y) for k in counts]
seen = [KNeighborsClassifier(n_neighbors=k).fit(X, y).score(X, y) for k in counts]
fig, ax = plt.subplots(figsize=(7.5, 3.4))
ax.semilogx(
    counts, seen, "s--", markersize=4, color="C4", label="each point among its own neighbours"
)
ax.semilogx(counts, left_out, "o-", markersize=4, label="each point left out")
ax.set(xlabel="neighbours k", ylabel="accuracy (share of points)")
ax.legend(loc="best")
plt.show()

# %% [markdown]
# Regression takes the mean of the neighbours' targets in place of a vote, or a mean weighted by
# $1/\text{distance}$, which passes through every point.

# %%
at = np.sort(rng.uniform(0, 10, 30))
height = np.sin(at) + rng.normal(0, 0.15, 30)
line = np.linspace(0, 10, 500)[:, np.newaxis]
fig, ax = plt.subplots(figsize=(7.5, 3.4))
ax.scatter(at, height, color="0.2", s=18, zorder=3, label="points")
for weights in ("uniform", "distance"):
    fitted = KNeighborsRegressor(n_neighbors=4, weights=weights).fit(at[:, np.newaxis], height)
    ax.plot(line, fitted.predict(line), label=f'weights="{weights}"')
near_distances, near = nearest(at[:, np.newaxis], line, k=4)
share = 1 / near_distances
by_hand = (share * height[near]).sum(axis=1) / share.sum(axis=1)
np.testing.assert_allclose(fitted.predict(line), by_hand, rtol=1e-12)
ax.set(xlabel="x (no unit)", ylabel="target (no unit)")
ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()

# %% [markdown]
# ## A shortcut that fails
# Our four lines build an array of queries × points × features. The usual remedy expands the
# square,
#
# $$\lVert x - q\rVert^2 = \lVert x\rVert^2 - 2\,q\cdot x + \lVert q\rVert^2,$$
#
# because $q\cdot x$ for all pairs is a matrix product, the fastest thing a processor does. But it
# subtracts large numbers to get a small one. With an offset of the data, the digits of the
# distance are gone:


# %%
def nearest_by_expansion(points, queries, k):
    squares = (
        (points**2).sum(axis=1) - 2 * queries @ points.T + (queries**2).sum(axis=1)[:, np.newaxis]
    )
    return np.argsort(squares, axis=1, kind="stable")[:, :k]


cloud, asked = rng.normal(size=(2000, 8)), rng.normal(size=(200, 8))
offsets = np.logspace(0, 9, 13)
found = []
for offset in offsets:
    P, Q = cloud + offset, asked + offset
    truth = nearest(P, Q, k=5)[1]
    by_library = NearestNeighbors(n_neighbors=5).fit(P).kneighbors(Q, return_distance=False)
    np.testing.assert_array_equal(by_library, truth)
    answers = {
        "expansion, float32": nearest_by_expansion(np.float32(P), np.float32(Q), 5),
        "expansion, float64": nearest_by_expansion(P, Q, 5),
        "rmodels": by_library,
    }
    shares = []
    for answer in answers.values():
        hits = (answer[:, :, np.newaxis] == truth[:, np.newaxis]).any(axis=1)
        shares.append(hits.mean())
    found.append(shares)
fig, ax = plt.subplots(figsize=(7.5, 3.4))
for name, shares, marker in zip(answers, np.transpose(found), "os^", strict=True):
    ax.semilogx(offsets, shares, marker=marker, markersize=4, label=name)
ax.set(xlabel="offset of the data, in standard deviations", ylabel="share of neighbours found")
ax.legend(loc="best")
plt.show()

# %% [markdown]
# ## Group minima
# So: the product is fast, and its error is *bounded*. We can use it to decide which points cannot
# be neighbours, and compute the rest by differences. Per query, in groups of $G$ points:
#
# 1. compute the scores $s = \lVert x\rVert^2 - 2\,q\cdot x$ in low precision, and keep only each
#    group's smallest, $m_g$;
# 2. with $e_g$ a bound on the error of any score in the group, the $k$-th smallest of all
#    $m_g + e_g$, call it $U$, is at least the true $k$-th score: $k$ different groups hold $k$
#    different points that are at most that far;
# 3. a group with $m_g - e_g > U$ holds no neighbour. Compute exact distances in the others, and
#    sort.
#
# For the bound: numbers rounded to $p$ bits have a relative error of $u = 2^{-p}$. A product of
# two of them and $d$ additions give at most about
# $(d + 4)\,u\,(\lVert x\rVert + \lVert q\rVert)^2$; we take twice that.


# %%
def rounded(values, bits):
    """Values with so many significant bits."""
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(fraction, bits)), exponent - bits)


def group_minima(points, queries, bits, group=64):
    """Smallest score of each group and its bound, both (queries, groups)."""
    centre = points.mean(axis=0)
    P, Q = points - centre, queries - centre
    norms, norms_q = np.linalg.norm(P, axis=1), np.linalg.norm(Q, axis=1)[:, np.newaxis]
    scores = rounded(rounded(norms**2, bits) - 2 * rounded(Q, bits) @ rounded(P, bits).T, bits)
    widest = norms.reshape(-1, group).max(axis=1)
    errors = 2 * (points.shape[1] + 4) * 2.0**-bits * (widest + norms_q) ** 2
    return scores.reshape(len(queries), -1, group).min(axis=2), errors


def survivors(minima, errors, k):
    """Which groups may hold a neighbour, and the limit U of each query."""
    U = np.partition(minima + errors, k - 1, axis=1)[:, k - 1 : k]
    return minima - errors <= U, U


def nearest_by_groups(points, queries, k, bits=24, group=64):
    """Exact neighbours, and the share of the groups that were compared exactly."""
    kept, _ = survivors(*group_minima(points, queries, bits, group), k)
    indices = np.empty((len(queries), k), dtype=np.int64)
    for row, (query, groups) in enumerate(zip(queries, kept, strict=True)):
        members = np.flatnonzero(np.repeat(groups, group))
        indices[row] = members[nearest(points[members], query[np.newaxis], k)[1][0]]
    return indices, kept.mean()


points, asked = rng.normal(size=(8192, 16)), rng.normal(size=(300, 16))
by_groups, share = nearest_by_groups(points, asked, k=5)
library = NearestNeighbors(n_neighbors=5).fit(points)
np.testing.assert_array_equal(by_groups, library.kneighbors(asked, return_distance=False))
print(f"the same neighbours, with {share:.1%} of the distances")

# %% [markdown]
# Here is one query in the plane, with groups of 8 points that lie together. The scores are rounded
# to 8 bits so that the bounds can be seen; with the 24 bits of float32 they would be thinner than
# the line.
#
# To have groups that lie together we sort the points along a *k-d tree*: split at the median of
# the widest feature, then each half again, down to one group.


# %%
def tree_order(points, group):
    """An order in which every `group` points in a row lie together; len(points) is group · 2^m."""

    def split(members):
        if len(members) == group:
            return [members]
        widest = np.ptp(points[members], axis=0).argmax()
        members = members[np.argsort(points[members, widest], kind="stable")]
        half = len(members) // 2
        return split(members[:half]) + split(members[half:])

    return np.concatenate(split(np.arange(len(points))))


plane = rng.normal(size=(256, 2))
plane = plane[tree_order(plane, 8)]
query, k = np.array([[0.6, 0.4]]), 5
minima, errors = group_minima(plane, query, bits=8, group=8)
kept, U = survivors(minima, errors, k)
true = nearest(plane, query, k)[1][0]
assert kept[0, true // 8].all()

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
boxes = plane.reshape(-1, 8, 2)
for members, keep in zip(boxes, kept[0], strict=True):
    low, extent = members.min(axis=0), np.ptp(members, axis=0)
    color = "C1" if keep else "0.8"
    left.add_patch(
        Rectangle(low, *extent, fill=keep, alpha=0.25 if keep else 1, ec=color, fc=color)
    )
left.scatter(*plane.T, s=7, color="0.45")
left.scatter(*plane[true].T, s=22, color="C1", label=f"{k} nearest")
left.scatter(*query.T, marker="*", s=110, color="C0", zorder=3, label="query")
left.set(xlabel="feature 0", ylabel="feature 1", aspect="equal")
left.set(xlim=(-2.3, 2.6), ylim=(-2.2, 2.7))
left.set_title("32 groups of 8 points; the shaded ones survive")
left.legend(loc="upper left")
order = np.argsort(minima[0])
ranks = np.arange(len(order))
for keep, color, name in ((True, "C1", "survives"), (False, "0.6", "ruled out")):
    chosen = kept[0, order] == keep
    right.errorbar(
        ranks[chosen],
        minima[0, order][chosen],
        errors[0, order][chosen],
        fmt="o",
        markersize=4,
        color=color,
        label=name,
    )
right.axhline(U[0, 0], color="C0", linewidth=1.2)
right.text(31, U[0, 0], "U ", color="C0", ha="right", va="bottom")
right.set(xlabel="group, by its smallest score", ylabel="smallest score $m_g \\pm e_g$")
right.set(ylim=(minima.min() - 0.4, minima.min() + 5))
right.set_title("ruled out: lower end above U")
right.legend(loc="upper left")
plt.show()

# %% [markdown]
# Fewer bits mean wider bounds, so more groups survive: it gets slower, never wrong.

# %%
bits = np.arange(6, 25, 2)
shares = []
for precision in bits:
    found, share = nearest_by_groups(points, asked[:50], k=5, bits=int(precision))
    np.testing.assert_array_equal(found, by_groups[:50])
    shares.append(share)
fig, ax = plt.subplots(figsize=(7.5, 3.4))
ax.plot(bits, 100 * np.array(shares), "o-")
ax.set(xlabel="bits of a score", ylabel="groups compared exactly (%)", xticks=bits, yscale="log")
ax.set_title("8,192 points in 16 dimensions, groups of 64; all answers are equal")
plt.show()

# %% [markdown]
# The GPU engine takes these steps, with 11 bits on tensor cores. The native engine keeps the same
# bounds with 16-bit integers, whose products are exact, and compares each score with the limit of
# the points before it, so that few leave the registers.

# %% [markdown]
# ## A tree
# When groups lie together, most need not even be scored. No point of a group is nearer than the
# group's *box*: where $q$ is below the box's lower corner or above its upper one, by that much in
# each feature. So open the boxes from the nearest on, keep the $k$ best points so far, and stop at
# the first box that is farther than the worst of them. That is what a k-d tree does; a tree of
# boxes within boxes finds the near ones without looking at all.


# %%
def box_distances(low, high, query):
    """Distance from a query to each box."""
    outside = np.maximum(low - query, 0) + np.maximum(query - high, 0)
    return np.sqrt((outside**2).sum(axis=-1))


def nearest_by_boxes(points, queries, k, group=64):
    """Exact neighbours, and the share of the boxes that were opened."""
    order = tree_order(points, group)
    members = np.sort(order.reshape(-1, group), axis=1)
    boxes = points[members]
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    answers, opened = [], 0
    for query in queries:
        apart = box_distances(low, high, query)
        best = []  # (distance, index), so that of equal distances the lower index is first
        for box in np.argsort(apart):
            if len(best) == k and apart[box] > best[-1][0]:
                break
            distances = nearest(boxes[box], query[np.newaxis], group)
            found = zip(distances[0][0], members[box][distances[1][0]], strict=True)
            best = sorted([*best, *found])[:k]
            opened += 1
        answers.append([index for _, index in best])
    return np.array(answers), opened / (len(boxes) * len(queries))


flat_points, flat_queries = rng.normal(size=(8192, 3)), rng.normal(size=(100, 3))
by_boxes, share = nearest_by_boxes(flat_points, flat_queries, k=5)
library = NearestNeighbors(n_neighbors=5).fit(flat_points)
np.testing.assert_array_equal(by_boxes, library.kneighbors(flat_queries)[1])
print(f"the same neighbours, with {share:.1%} of the boxes opened")

# %% [markdown]
# ## The curse of dimensionality, measured
# That works in few dimensions, and stops to work in many, for two reasons that we can measure:
# distances become alike, so that the nearest point is hardly nearer than the average one, and a
# box in many dimensions is near everything.


# %%
def boxes_within_reach(points, queries, k, group=64):
    """Share of the groups whose box is no farther than the k-th distance."""
    ordered = points[tree_order(points, group)].reshape(-1, group, points.shape[1])
    apart = box_distances(ordered.min(axis=1), ordered.max(axis=1), queries[:, np.newaxis])
    limit = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(queries)[0][:, -1:]
    return (apart <= limit).mean()


dimensions = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64])
contrast, reached, reached_on_surface = [], [], []
for d in dimensions:
    P, Q = rng.normal(size=(8192, d)), rng.normal(size=(200, d))
    everything = NearestNeighbors(n_neighbors=len(P)).fit(P).kneighbors(Q[:50])[0]
    contrast.append((everything[:, 0] / everything.mean(axis=1)).mean())
    reached.append(boxes_within_reach(P, Q, k=5))
    embedding = np.linalg.qr(rng.normal(size=(max(d, 3), max(d, 3))))[0][:3, :d]
    flat = rng.normal(size=(8392, 3)) @ embedding
    reached_on_surface.append(boxes_within_reach(flat[:8192], flat[8192:], k=5))

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
left.semilogx(dimensions, contrast, "o-")
left.set(xlabel="dimensions", ylabel="nearest distance / mean distance", ylim=(0, 1))
left.set_title("the nearest is hardly nearer")
right.semilogx(dimensions, 100 * np.array(reached), "o-", label="points everywhere")
right.semilogx(
    dimensions, 100 * np.array(reached_on_surface), "s--", label="points on a 3-d subspace"
)
right.set(xlabel="dimensions", ylabel="groups whose box is within reach (%)")
right.set_title("boxes help where the data is flat")
right.legend(loc="best")
for ax in (left, right):
    ax.set_xticks([1, 2, 4, 8, 16, 32, 64], [1, 2, 4, 8, 16, 32, 64])
    ax.minorticks_off()
plt.show()

# %% [markdown]
# What counts is the dimension of the *data*, not the number of columns. The library counts on a
# sample which groups are within reach, and takes the tree or the scan by group minima;
# `algorithm_` tells, and the answers are the same.

# %%
for name, P in (
    ("3 features", rng.normal(size=(20_000, 3))),
    ("40 features", rng.normal(size=(20_000, 40))),
    ("40 features of 3 latent", rng.normal(size=(20_000, 3)) @ rng.normal(size=(3, 40))),
):
    fitted = NearestNeighbors().fit(P)
    forced = NearestNeighbors(algorithm="brute").fit(P)
    np.testing.assert_array_equal(fitted.kneighbors(P[:50])[1], forced.kneighbors(P[:50])[1])
    print(f"{name:>24}: {fitted.algorithm_}")
