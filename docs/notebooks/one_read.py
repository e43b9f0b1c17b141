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
# # What one read of the data knows
#
# Count, mean and scatter of each class: a few small arrays, from one read of the rows. From these
# sums alone we fit least squares, principal components, naive Bayes, linear and quadratic
# discriminants, nearest centroids and the lasso, and never look at a row again. Each time the last
# lines check that `rmodels` finds the same from the rows.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from rmodels import (
    PCA,
    GaussianNB,
    Lasso,
    LassoCV,
    LinearDiscriminantAnalysis,
    LinearRegression,
    NearestCentroid,
    QuadraticDiscriminantAnalysis,
)

wine = load_wine()
X, y, names = wine.data, wine.target, wine.feature_names

# %% [markdown]
# ## The read
# 178 wines from three growers, 13 measurements each. They come in batches of 50, as from a file
# that does not fit in memory. For each grower $g$ we keep
#
# $$n_g, \qquad \mu_g = \frac{1}{n_g} \sum_{i \in g} x_i, \qquad
# M_g = \sum_{i \in g} (x_i - \mu_g)(x_i - \mu_g)^\top .$$
#
# The sums of two batches merge: the means move towards each other, and the scatter grows by the
# distance between them,
#
# $$M = M_a + M_b + \frac{n_a n_b}{n_a + n_b} (\mu_b - \mu_a)(\mu_b - \mu_a)^\top .$$


# %%
def moments(rows):
    """Return count, mean and scatter."""
    mean = rows.mean(axis=0)
    return len(rows), mean, (rows - mean).T @ (rows - mean)


def merge(first, second):
    """Return the moments of both sets of rows together."""
    (n_a, mean_a, M_a), (n_b, mean_b, M_b) = first, second
    n, gap = n_a + n_b, mean_b - mean_a
    return n, mean_a + n_b / n * gap, M_a + M_b + n_a * n_b / n * np.outer(gap, gap)


order = np.random.default_rng(0).permutation(len(X))
groups = {}
for batch in np.array_split(order, 4):
    for g in np.unique(y[batch]):
        found = moments(X[batch][y[batch] == g])
        groups[g] = merge(groups[g], found) if g in groups else found

n_g = np.array([groups[g][0] for g in range(3)])
means = np.array([groups[g][1] for g in range(3)])
scatters = np.array([groups[g][2] for g in range(3)])
n, mean, scatter = merge(merge(groups[0], groups[1]), groups[2])
print(n_g, scatters.nbytes + means.nbytes, "bytes, of", X.nbytes)

# %% [markdown]
# With a million rows the sums are as small as they are here. The total scatter has two parts: that
# within the classes, and that of their means about the common one.

# %%
within = scatters.sum(axis=0)
gaps = np.sqrt(n_g)[:, np.newaxis] * (means - mean)
np.testing.assert_allclose(within + gaps.T @ gaps, scatter, rtol=1e-9, atol=1e-9)
np.testing.assert_allclose(scatter, n * np.cov(X.T, bias=True), rtol=1e-9, atol=1e-9)

# %% [markdown]
# ## Least squares
# Proline, the last column, from the others: the slopes solve $M_{xx}\,w = M_{xy}$, and the plane
# runs through the means.

# %%
w = np.linalg.solve(scatter[:-1, :-1], scatter[:-1, -1])
intercept = mean[-1] - mean[:-1] @ w

model = LinearRegression().fit(X[:, :-1], X[:, -1])
np.testing.assert_allclose(model.coef_, w, rtol=1e-8)
np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-8)

# %% [markdown]
# $R^2$, too, is known: what is left of the scatter of $y$ is $M_{yy} - M_{yx} w$.

# %%
r2 = scatter[:-1, -1] @ w / scatter[-1, -1]
np.testing.assert_allclose(model.score(X[:, :-1], X[:, -1]), r2, rtol=1e-9)
print(f"R² = {r2:.3f}")

# %% [markdown]
# ## Principal components
# The measurements have different units, so each column is divided by its standard deviation first:
# of the sums, that divides rows and columns of $M$. The components are eigenvectors, the variances
# eigenvalues.

# %%
spread = np.sqrt(scatter.diagonal() / n)
correlations = scatter / np.outer(spread, spread) / n
values, vectors = np.linalg.eigh(correlations)
values, components = values[::-1], vectors.T[::-1]

scaled = StandardScaler().fit_transform(X)
pca = PCA().fit(scaled)
np.testing.assert_allclose(pca.explained_variance_, values * n / (n - 1), rtol=1e-9)
signs = np.sign((pca.components_ * components).sum(axis=1))
np.testing.assert_allclose(pca.components_, signs[:, np.newaxis] * components, atol=1e-9)

# %% [markdown]
# The classes' sums go through the same map: means and covariances in the plane of the first two
# components draw each class without a single row. The rows are there only to compare.

# %%
plane = pca.components_[:2].T / spread[:, np.newaxis]
angles = np.linspace(0, 2 * np.pi, 100)
circle = np.stack([np.cos(angles), np.sin(angles)])

fig, ax = plt.subplots()
points = pca.transform(scaled)
for g, color in enumerate(("C0", "C1", "C2")):
    ax.scatter(*points[y == g, :2].T, s=10, color=color, alpha=0.5)
    middle = (means[g] - mean) @ plane
    root = np.linalg.cholesky(plane.T @ scatters[g] @ plane / n_g[g])
    ax.plot(*(middle[:, np.newaxis] + 2 * root @ circle), color=color, label=f"grower {g}")
    np.testing.assert_allclose(middle, points[y == g, :2].mean(axis=0), atol=1e-9)
ax.set_xlabel("first component (standard deviations)")
ax.set_ylabel("second component (standard deviations)")
ax.set_title("each class from its sums: mean and two standard deviations")
ax.legend()
plt.show()

# %% [markdown]
# ## Naive Bayes
# If columns are independent within a class, its density is a product of normal ones, and only the
# diagonals of the $M_g$ count. The library adds a share of $10^{-9}$ of the largest variance.

# %%
variances = scatters.diagonal(axis1=1, axis2=2) / n_g[:, np.newaxis]
variances = variances + 1e-9 * scatter.diagonal().max() / n

naive = GaussianNB().fit(X, y)
np.testing.assert_allclose(naive.theta_, means, rtol=1e-12)
np.testing.assert_allclose(naive.var_, variances, rtol=1e-9)

squares = ((X[:, np.newaxis] - means) ** 2 / variances).sum(axis=2)
joint = np.log(n_g / n) - 0.5 * np.log(2 * np.pi * variances).sum(axis=1) - 0.5 * squares
np.testing.assert_array_equal(naive.predict(X), joint.argmax(axis=1))

# %% [markdown]
# ## Discriminants
# With the whole of $M_g / n_g$ as the covariance of a class, boundaries are quadratic. If all
# classes share one covariance, $\sum_g M_g / n$, the squares of $x$ cancel, and they are planes.


# %%
def log_densities(covariances):
    """Return log p(x, g) of all rows, but for a constant."""
    found = []
    for g, S in enumerate(covariances):
        D = X - means[g]
        squares = (D * np.linalg.solve(S, D.T).T).sum(axis=1)
        found.append(np.log(n_g[g] / n) - 0.5 * np.linalg.slogdet(S)[1] - 0.5 * squares)
    return np.stack(found, axis=1)


def shares(joint):
    """Return the probabilities of the classes."""
    odds = np.exp(joint - joint.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


quadratic = QuadraticDiscriminantAnalysis().fit(X, y)
linear = LinearDiscriminantAnalysis().fit(X, y)
each = shares(log_densities(scatters / n_g[:, np.newaxis, np.newaxis]))
common = shares(log_densities([within / n] * 3))
np.testing.assert_allclose(quadratic.predict_proba(X), each, atol=1e-8)
np.testing.assert_allclose(linear.predict_proba(X), common, atol=1e-8)

# %% [markdown]
# ## Nearest centroids
# The coarsest of all: only the means, and of the scatter the spread within the classes, by which
# differences are measured that are too small to count.

# %%
deviation = np.sqrt(within.diagonal() / (n - 3))
unit = np.sqrt(1 / n_g - 1 / n)[:, np.newaxis] * (deviation + np.median(deviation))
shrunk = (means - mean) / unit
shrunk = np.sign(shrunk) * np.maximum(np.abs(shrunk) - 2.0, 0.0)

centroids = NearestCentroid(shrink_threshold=2.0).fit(X, y)
np.testing.assert_allclose(centroids.centroids_, mean + unit * shrunk, rtol=1e-9)

# %% [markdown]
# ## The lasso
# The penalised loss $\frac{1}{2n} \lVert y - X w \rVert^2 + \alpha \sum_j |w_j|$ needs no rows
# either: its quadratic part is made of $M_{xx}$ and $M_{xy}$. Coordinate descent goes from column
# to column: with the others held, the best $w_j$ is what is left of the slope, less the penalty.


# %%
def lasso(M, n, alpha, w, sweeps=3000):
    """Return the minimum from the scatter of [X | y], beginning at w."""
    w = w.copy()
    for _ in range(sweeps):
        before = w.copy()
        for j in range(len(w)):
            left = M[j, -1] - M[j, :-1] @ w + M[j, j] * w[j]
            w[j] = np.sign(left) * max(abs(left) - n * alpha, 0.0) / M[j, j]
        if np.abs(w - before).max() <= 1e-9 * np.abs(w).max():
            break
    return w


units = np.append(spread[:-1], 1.0)
M = scatter / np.outer(units, units)
largest = np.abs(M[:-1, -1]).max() / n  # the penalty that leaves no column in
alphas = np.geomspace(largest, largest / 300, 20)
path = [np.zeros(12)]
for alpha in alphas:
    path.append(lasso(M, n, alpha, path[-1]))
path = np.array(path[1:])

for k in (5, 12, 19):
    found = Lasso(alpha=alphas[k]).fit(scaled[:, :-1], X[:, -1])
    np.testing.assert_allclose(found.coef_, path[k], rtol=1e-6, atol=1e-6 * np.abs(path).max())
    assert ((found.coef_ == 0) == (path[k] == 0)).all()

fig, ax = plt.subplots()
for j in np.argsort(-np.abs(path[-1])):
    strong = np.abs(path[-1, j]) > 40
    ax.semilogx(alphas, path[:, j], label=names[j] if strong else None, alpha=1 if strong else 0.3)
ax.set_xlabel("penalty α (mg of proline per litre)")
ax.set_ylabel("coefficient (mg per litre and standard deviation)")
ax.set_title("columns come in one after the other")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## Cross-validation
# A model that leaves a fold out is trained on the sum of the other folds' moments, and its error on
# the fold follows from the fold's own: with $v = (w, -1)$ and $e$ the error at the fold's mean,
# it is $v^\top M_f v / n_f + e^2$. So all folds and penalties still cost the one read.

# %%
folds = [moments(X[rows]) for rows in np.array_split(np.arange(n), 5)]
few, errors = np.geomspace(3 * largest / 10, largest / 100, 6), []
for k, (n_f, mean_f, M_f) in enumerate(folds):
    rest = [fold for place, fold in enumerate(folds) if place != k]
    total = rest[0]
    for fold in rest[1:]:
        total = merge(total, fold)
    n_t, mean_t, M_t = total
    w = np.zeros(12)
    for alpha in few:
        w = lasso(M_t / np.outer(units, units), n_t, alpha, w)
        v = np.append(w, -1.0) / units
        errors.append(v @ M_f @ v / n_f + ((mean_f - mean_t) @ v) ** 2)
errors = np.reshape(errors, (5, 6)).T

chosen = LassoCV(alphas=few, cv=5).fit(scaled[:, :-1], X[:, -1])
np.testing.assert_allclose(chosen.mse_path_, errors, rtol=1e-6)
assert chosen.alpha_ == few[errors.mean(axis=1).argmin()]
print(f"the penalty chosen: {chosen.alpha_:.1f}")

# %% [markdown]
# ## What the library adds
# The same sums in C++ with SIMD and threads, about a shift that costs no digits whatever the offset
# of the columns, from arrays, files and clusters. Where squaring the columns would lose digits that
# are asked for, it goes to the rows, and says so; the minimum of the lasso is found exactly, by its
# active set. The user guide has a page about each.
