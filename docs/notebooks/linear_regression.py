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
# # Linear regression from scratch
#
# We derive gradient descent, write it as a loop, find out which learning rates work and why, then
# replace a thousand steps by one formula, and take that formula to its limit: least squares. Each
# time the last line checks that `rmodels` computes the same.

# %%
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import solve_triangular
from sklearn.exceptions import ConvergenceWarning

from rmodels import LinearRegression

rng = np.random.default_rng(0)

# %% [markdown]
# ## The problem
# Prices of 60 flats (invented) against their area. We look for the line $\hat y = w\,x + b$ that
# misses the prices by least.

# %%
n = 60
x = rng.uniform(0.3, 1.3, n)  # area in 100 m²
y = 3.0 * x + 0.5 + rng.normal(0, 0.25, n)  # price in 100,000 €

fig, ax = plt.subplots()
ax.scatter(x, y, s=18)
ax.set_xlabel("area (100 m²)")
ax.set_ylabel("price (100,000 €)")
ax.set_title("60 flats")
plt.show()

# %% [markdown]
# ## Loss and gradient
# Write each row as $z_i = (x_i, 1)$ and both parameters as one vector $\mathbf w = (w, b)$, so
# that the prediction is $z_i \cdot \mathbf w$. The *loss* is half the mean squared error:
#
# $$L(\mathbf w) = \frac{1}{2n} \sum_{i=1}^{n} r_i^2, \qquad r_i = z_i \cdot \mathbf w - y_i .$$
#
# By the chain rule, $\partial r_i / \partial \mathbf w = z_i$, so
#
# $$\nabla L(\mathbf w) = \frac{1}{n} \sum_{i=1}^{n} r_i\, z_i .$$
#
# The gradient points uphill. A step of *gradient descent* goes the other way, by the learning rate
# $\alpha$: $\;\mathbf w \leftarrow \mathbf w - \alpha \nabla L(\mathbf w)$. That is the whole
# algorithm:


# %%
def descend_by_rows(x, y, rate, iterations):
    """Gradient descent with nothing but numbers."""
    w = b = 0.0
    for _ in range(iterations):
        slope_w = slope_b = 0.0
        for xi, yi in zip(x, y, strict=True):
            residual = w * xi + b - yi
            slope_w += residual * xi
            slope_b += residual
        w -= rate * slope_w / len(x)
        b -= rate * slope_b / len(x)
    return w, b


descend_by_rows(x.tolist(), y.tolist(), rate=0.5, iterations=100)

# %% [markdown]
# In matrices, with $Z$ the rows $z_i$, the residuals are $Z\mathbf w - \mathbf y$ and the gradient
# is $Z^\top(Z\mathbf w - \mathbf y)/n$. We keep every position and loss, to draw them.


# %%
def descend(Z, y, rate, iterations):
    w = np.zeros(Z.shape[1])
    path = [w]
    for _ in range(iterations):
        w = w - rate * Z.T @ (Z @ w - y) / len(y)
        path.append(w)
    path = np.array(path)
    losses = ((path @ Z.T - y) ** 2).mean(axis=1) / 2
    return path, losses


Z = np.column_stack([x, np.ones(n)])
path, losses = descend(Z, y, rate=0.5, iterations=100)

model = LinearRegression(iterations=100, learning_rate=0.5, solver="stream")
model.fit(x[:, np.newaxis], y)

np.testing.assert_allclose(path[-1], descend_by_rows(x.tolist(), y.tolist(), 0.5, 100), rtol=1e-12)
np.testing.assert_allclose([*model.coef_, model.intercept_], path[-1], rtol=1e-12)
np.testing.assert_allclose(model.loss_history_, losses[1:], rtol=1e-12)

# %% [markdown]
# ## Looking at it
# The loss over the plane of $(w, b)$ is a valley, and its contours are ellipses. From the start
# the descent falls into the valley in a few steps, then creeps along its floor.


# %%
def draw_contours(ax, across, up):
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    height = ((grid @ Z.T - y) ** 2).mean(axis=-1) / 2
    levels = height.min() + np.geomspace(0.003, np.ptp(height), 14)
    ax.contour(across, up, height, levels=levels, colors="0.75", linewidths=0.8)
    ax.grid(visible=False)
    ax.set_xlabel("slope $w$ (100,000 € per 100 m²)")
    ax.set_ylabel("intercept $b$ (100,000 €)")


best = np.linalg.lstsq(Z, y)[0]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
draw_contours(left, np.linspace(-0.3, 4.2, 200), np.linspace(-0.6, 2.6, 200))
left.plot(*path.T, marker="o", markersize=3, linewidth=1)
left.plot(*best, "*", color="C1", markersize=12, label="least squares")
left.legend(loc="upper right")
left.set_title("100 steps, $\\alpha$ = 0.5")
model.plot_loss(right, yscale="log")
right.set_title("the loss after each step")
plt.show()

# %% [markdown]
# ## Which learning rates work
# Expand the gradient: $\nabla L = H\mathbf w - c$, with
#
# $$H = Z^\top Z / n, \qquad c = Z^\top \mathbf y / n .$$
#
# $H$ is symmetric, so it has orthogonal eigenvectors, $H = V\Lambda V^\top$: the axes of the
# ellipses. Along each, with eigenvalue $\lambda$, the distance to the minimum is multiplied by
# $1 - \alpha\lambda$ in every step. It shrinks if and only if $|1 - \alpha\lambda| < 1$, which is
# $\alpha < 2/\lambda$. So:
#
# - above $2/\lambda_{\max}$ the steps diverge;
# - at $1/\lambda_{\max}$ the steepest direction is done in one step (`learning_rate="auto"` takes
#   that);
# - the flattest direction shrinks by $1 - \alpha\lambda_{\min}$: the ratio
#   $\lambda_{\max}/\lambda_{\min}$ says how many steps it takes.

# %%
H, c = Z.T @ Z / n, Z.T @ y / n
eigenvalues, V = np.linalg.eigh(H)
largest_stable = 2 / eigenvalues[-1]

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
draw_contours(left, np.linspace(-0.8, 5.0, 200), np.linspace(-1.4, 4.2, 200))
lowest = ((Z @ best - y) ** 2).mean() / 2
for factor in (0.1, 0.5, 0.95, 1.02):
    steps, heights = descend(Z, y, factor * largest_stable, 60)
    name = f"{factor:g} · $2/\\lambda_{{\\max}}$"
    left.plot(*steps[:9].T, marker="o", markersize=3, linewidth=1, label=name)
    right.semilogy(heights - lowest, label=name)
left.set(xlim=(-0.8, 5.0), ylim=(-1.4, 4.2), title="the first 8 steps")
right.set(xlabel="iteration", ylabel="½ mean squared error above its minimum")
right.set_title("only the last diverges")
right.legend(title="learning rate $\\alpha$", loc="best")
plt.show()

# %% [markdown]
# The library knows $\lambda_{\max}$ and says what it would take:

# %%
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    LinearRegression(iterations=60, learning_rate=1.02 * largest_stable).fit(x[:, np.newaxis], y)
(warning,) = said
assert warning.category is ConvergenceWarning
assert f"{largest_stable:.6g}" in str(warning.message)
print(warning.message)

# %% [markdown]
# ## A thousand steps at once
# Each component $u = v \cdot \mathbf w$ along an eigenvector $v$ moves on its own:
# $u \leftarrow (1 - \alpha\lambda)\,u + \alpha\, v \cdot c$. From zero, $t$ steps sum a geometric
# series:
#
# $$u_t = \alpha\,(v\cdot c) \sum_{s=0}^{t-1} (1 - \alpha\lambda)^s
# = \varphi_t(\lambda)\,(v\cdot c),$$
#
# $$\varphi_t(\lambda) = \frac{1 - (1 - \alpha\lambda)^t}{\lambda},
# \qquad \varphi_t(0) = \alpha t .$$
#
# In the basis of $V$ that is the answer after *any* number of steps,
# $\mathbf w_t = V \varphi_t(\Lambda) V^\top c$. The rows are read once, to form $H$ and $c$.
#
# One care: for a small $\alpha\lambda$, $1 - (1-\alpha\lambda)^t$ subtracts nearly equal numbers.
# With `log1p` and `expm1` no digit is lost: $(1-\alpha\lambda)^t = e^{t \log(1-\alpha\lambda)}$.


# %%
def phi(eigenvalues, rate, t):
    """(1 − (1 − αλ)^t) / λ, for αλ below 1."""
    return -np.expm1(t * np.log1p(-rate * eigenvalues)) / eigenvalues


tiny = 1e-14
print("subtracted:", (1 - (1 - 0.5 * tiny) ** 1000) / tiny, " by expm1:", phi(tiny, 0.5, 1000))


def descend_at_once(Z, y, rate, t):
    H, c = Z.T @ Z / len(y), Z.T @ y / len(y)
    eigenvalues, V = np.linalg.eigh(H)
    return V @ (phi(eigenvalues, rate, t) * (V.T @ c))


closed = LinearRegression(iterations=100, learning_rate=0.5, solver="moments")
closed.fit(x[:, np.newaxis], y)
np.testing.assert_allclose(descend_at_once(Z, y, 0.5, 100), path[-1], rtol=1e-12)
np.testing.assert_allclose([*closed.coef_, closed.intercept_], path[-1], rtol=1e-12)

# %% [markdown]
# The loss needs no rows either. Put $\mathbf w_t$ into
# $L = L_0 - \mathbf w\cdot c + \frac12 \mathbf w^\top H \mathbf w$:
#
# $$L_t = L_0 - \tfrac12 \sum_j (V^\top c)_j^2\,
# \varphi_t(\lambda_j)\,\bigl(2 - \lambda_j \varphi_t(\lambda_j)\bigr).$$

# %%
steps = np.arange(1, 101)[:, np.newaxis]
shrunk = phi(eigenvalues, 0.5, steps)
L = (y @ y / n - ((V.T @ c) ** 2 * shrunk * (2 - eigenvalues * shrunk)).sum(axis=1)) / 2
np.testing.assert_allclose(L, losses[1:], rtol=1e-10)
np.testing.assert_allclose(closed.loss_history_, losses[1:], rtol=1e-10)

# %% [markdown]
# What that saves, on 20,000 rows of 20 features and 1000 steps:

# %%
X_big = rng.normal(size=(20_000, 20))
y_big = X_big @ rng.normal(size=20) + rng.normal(size=20_000)
big = LinearRegression(iterations=1000, learning_rate=0.05)


def literal_loop():
    Z, w = np.column_stack([X_big, np.ones(len(X_big))]), np.zeros(21)
    for _ in range(1000):
        w -= 0.05 * Z.T @ (Z @ w - y_big) / len(Z)
    return w


start = time.perf_counter()
by_loop = literal_loop()
loop_seconds = time.perf_counter() - start
big.fit(X_big, y_big)
start = time.perf_counter()
big.fit(X_big, y_big)
closed_seconds = time.perf_counter() - start
np.testing.assert_allclose(big.coef_, by_loop[:-1], rtol=1e-10)
print(f"loop {loop_seconds * 1e3:.0f} ms, closed form {closed_seconds * 1e3:.2f} ms")

# %% [markdown]
# ## The limit: least squares
# As $t \to \infty$, $\varphi_t(\lambda) \to 1/\lambda$ and $\mathbf w_t \to H^{-1} c$: the *normal
# equations*, whose solution has the least loss of all. `iterations=None`, the default, goes there
# directly.

# %%
exact = LinearRegression().fit(x[:, np.newaxis], y)
np.testing.assert_allclose(V @ ((V.T @ c) / eigenvalues), best, rtol=1e-12)
np.testing.assert_allclose([*exact.coef_, exact.intercept_], best, rtol=1e-12)
np.testing.assert_allclose(descend_at_once(Z, y, 0.5, 100_000), best, rtol=1e-12)

# %% [markdown]
# ## Digits
# $Z^\top Z$ squares what it is made of, and a large offset of $x$ (years near 2000, temperatures
# in kelvin) drowns its spread in rounding. The remedy is old: subtract the means before
# multiplying. To do that in *one* read of the rows, take blocks, and merge their means $\mu$ and
# scatter $M = \sum (z-\mu)(z-\mu)^\top$ by the formula of Chan, Golub and LeVeque:
#
# $$\mu = \mu_a + \tfrac{n_b}{n}(\mu_b - \mu_a), \qquad
# M = M_a + M_b + \tfrac{n_a n_b}{n} (\mu_b - \mu_a)(\mu_b - \mu_a)^\top .$$


# %%
def moments(rows):
    mean = rows.mean(axis=0)
    return len(rows), mean, (rows - mean).T @ (rows - mean)


def merge(a, b):
    (n_a, mean_a, scatter_a), (n_b, mean_b, scatter_b) = a, b
    gap = mean_b - mean_a
    scatter = scatter_a + scatter_b + n_a * n_b / (n_a + n_b) * np.outer(gap, gap)
    return n_a + n_b, mean_a + n_b / (n_a + n_b) * gap, scatter


def slope_from_moments(x, y, block=1000):
    rows = np.column_stack([x, y])
    total = moments(rows[:block])
    for first in range(block, len(rows), block):
        total = merge(total, moments(rows[first : first + block]))
    scatter = total[2]
    return scatter[0, 1] / scatter[0, 0]


def slope_from_normal_equations(x, y):
    Z = np.column_stack([x, np.ones(len(x))])
    return np.linalg.solve(Z.T @ Z, Z.T @ y)[0]


offsets = np.logspace(0, 7, 15)
spread = np.round(rng.normal(size=10_000) * 2**20) / 2**20  # on a grid, so that x + offset is exact
heights = 3.0 * spread  # the slope is 3, without noise
errors = []
for offset in np.round(offsets):
    slopes = [
        slope_from_normal_equations(spread + offset, heights),
        slope_from_moments(spread + offset, heights),
        LinearRegression().fit((spread + offset)[:, np.newaxis], heights).coef_[0],
    ]
    errors.append(np.abs(np.array(slopes) / 3.0 - 1.0))
errors = np.maximum(errors, 1e-17)
assert errors[:, 2].max() < 1e-14
assert errors[-1, 0] > 1e-6

fig, ax = plt.subplots()
names = ("normal equations", "blocks, merged", "rmodels")
for name, marker, line in zip(names, "os^", errors.T, strict=True):
    ax.loglog(offsets, line, marker=marker, markersize=5, label=name)
ax.axhline(2**-53, color="0.5", linewidth=1, linestyle=":")
ax.text(1e7, 2**-53 / 4, "one rounding, $2^{-53}$", color="0.4", fontsize=8, ha="right")
ax.set(xlabel="offset of x, in standard deviations", ylabel="relative error of the slope")
ax.set_title("an offset costs twice its digits, unless the means are subtracted")
ax.legend(loc="best")
plt.show()

# %% [markdown]
# Merged means are still rounded where the offset is, which shows from about 10⁴ standard
# deviations on. The library first shifts all rows by one constant near the mean, so that what it
# merges is small.
#
# ## The whole algorithm
# Now nothing is missing: least squares with an intercept for any number of features, in one read
# of rows that come in batches and need not fit in memory. With the scatter of $(x, y)$ in blocks,
# $M_{xx}\,\mathbf w = M_{xy}$ for the slopes. $M_{xx}$ is symmetric and positive definite, so it
# is $LL^\top$ with a triangular $L$ (Cholesky), and two triangular systems give $\mathbf w$. The
# plane runs through the means: $b = \mu_y - \mu_x \cdot \mathbf w$.


# %%
def least_squares(batches):
    """Slopes and intercept from batches of rows and targets."""
    total = None
    for X, y in batches:
        found = moments(np.column_stack([X, y]))
        total = found if total is None else merge(total, found)
    _, mean, scatter = total
    lower = np.linalg.cholesky(scatter[:-1, :-1])
    w = solve_triangular(lower.T, solve_triangular(lower, scatter[:-1, -1], lower=True))
    return w, mean[-1] - mean[:-1] @ w


batches = [
    (X_big[first : first + 1000], y_big[first : first + 1000]) for first in range(0, 20_000, 1000)
]
w, b = least_squares(batches)
whole, in_batches = LinearRegression().fit(X_big, y_big), LinearRegression()
for X, y in batches:
    in_batches.partial_fit(X, y)
for model in (whole, in_batches):
    np.testing.assert_allclose(model.coef_, w, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, b, rtol=0, atol=1e-12)

# %% [markdown]
# ## What the library adds
# The same moments in C++ with SIMD and threads, in one read; least squares by Cholesky factors,
# refined with the residuals of the rows or left for orthogonal transformations where $\kappa^2$
# gets large; weights, several targets, sparse data. `solver_` says which way it went,
# `condition_number_` why. The user guide has the table of solvers and their cost.
