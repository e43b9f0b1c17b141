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
# # Stochastic descent from scratch
#
# One row, one step. We write the steps in NumPy, in the order that scikit-learn makes them in, and
# get `rmodels.SGDRegressor` to twelve digits. Then we look at what the order is for, at the floor
# of noise that a constant rate never gets below, at what averaging does about it, and at epochs
# that are so regular that a thousand of them cost one read.

# %%
import matplotlib.pyplot as plt
import numpy as np

from rmodels import LinearRegression, SGDRegressor

rng = np.random.default_rng(0)
n = 400
X = rng.standard_normal((n, 2)) @ [[1.0, 0.0], [0.8, 0.6]]
y = X @ [2.0, -1.0] + rng.standard_normal(n)

# %% [markdown]
# ## The step
# The loss of a row is half its squared residual $r = x \cdot w - y$, whose gradient is $r\,x$. A
# step goes against it,
#
# $$w \leftarrow w - \eta\, r\, x .$$


# %%
def walk(w, rows, eta):
    """Return w before all steps and after each."""
    path = [w]
    for i in rows:
        w = w - eta * (X[i] @ w - y[i]) * X[i]
        path.append(w)
    return np.array(path)


# %% [markdown]
# ## The order
# Each epoch meets every row once, shuffled by Fisher and Yates: place $i$ is exchanged with one of
# those from $i$ on. What draws it is a xorshift generator, three shifts of one number, which begins
# anew with the same seed in every epoch; what was shuffled before is shuffled again. The seed
# itself is the first draw of `random_state`.


# %%
def shuffle(order, seed):
    """Shuffle in place."""
    state = seed
    for i in range(len(order) - 1):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        j = i + state % 2**31 % (len(order) - i)
        order[i], order[j] = order[j], order[i]


def descend(random_state, eta, epochs):
    """Return the path of some epochs from 0."""
    seed = np.random.RandomState(random_state).randint(0, 2**31 - 1)
    order, path = np.arange(n), [np.zeros((1, 2))]
    for _ in range(epochs):
        shuffle(order, seed)
        path.append(walk(path[-1][-1], order, eta)[1:])
    return np.concatenate(path)


given = {"alpha": 0.0, "fit_intercept": False, "learning_rate": "constant", "tol": None}
model = SGDRegressor(**given, eta0=0.01, max_iter=5, random_state=7).fit(X, y)
np.testing.assert_allclose(model.coef_, descend(7, 0.01, 5)[-1], rtol=1e-12)
print(model.coef_, model.t_)

# %% [markdown]
# Another seed is another path. Both end near the least squares, the minimum of all rows together,
# but not at the same place: without the order, two fits agree to the noise and no further.

# %%
best = LinearRegression(fit_intercept=False).fit(X, y).coef_
paths = [descend(seed, 0.05, 2) for seed in (0, 1)]

figure, axes = plt.subplots(figsize=(6, 4.5))
for seed, path in enumerate(paths):
    axes.plot(*path.T, linewidth=0.6, label=f"random_state={seed}")
axes.plot(*best, "k+", markersize=14, label="least squares")
axes.set(xlabel="first coefficient (units of y)", ylabel="second coefficient (units of y)")
axes.legend()
plt.show()
for seed, path in enumerate(paths):
    same = SGDRegressor(**given, eta0=0.05, max_iter=2, random_state=seed).fit(X, y)
    np.testing.assert_allclose(same.coef_, path[-1], rtol=1e-12)
assert abs(paths[0][-1] - paths[1][-1]).max() > 1e-3

# %% [markdown]
# ## The floor of noise
# At the minimum the gradient of all rows is 0, but that of one row is not: a step still moves $w$
# by $\eta\, r\, x$. Each step also draws $w$ back by a share $\eta H$, with $H$ the mean of
# $x x^\top$. Where both balance, the covariance $\Sigma$ of the iterates meets
#
# $$H \Sigma + \Sigma H = \eta\, \sigma^2 H \quad\Rightarrow\quad
# \Sigma = \tfrac{\eta\, \sigma^2}{2}\, I ,$$
#
# where $\sigma^2$ is the variance of the residuals. That holds for rows drawn one by one, and a
# small $\eta$: half the rate is half the variance. The library makes the steps of any rows in their
# order, with `shuffle=False`.

# %%
sigma2 = np.mean((X @ best - y) ** 2)
steps = 40_000
drawn = rng.integers(n, size=steps)
rates = (0.002, 0.01, 0.05)
clouds = [walk(best, drawn, eta) for eta in rates]
for eta, path in zip(rates, clouds, strict=True):
    once = SGDRegressor(**given, eta0=eta, max_iter=1, shuffle=False)
    once.fit(X[drawn], y[drawn], coef_init=best)
    np.testing.assert_allclose(once.coef_, path[-1], rtol=1e-10)

variances = np.array([path[steps // 4 :].var(axis=0).mean() for path in clouds])
floors = np.array(rates) * sigma2 / 2
print(variances / floors)
assert (abs(np.log(variances / floors)) < np.log(2)).all()

figure, axes = plt.subplots(figsize=(6, 4.5))
for eta, path in reversed(list(zip(rates, clouds, strict=True))):
    axes.plot(*path[:: steps // 2000].T, ".", markersize=3, label=f"η = {eta}")
axes.plot(*best, "k+", markersize=14, label="least squares")
axes.set(xlabel="first coefficient (units of y)", ylabel="second coefficient (units of y)")
axes.legend()
plt.show()

# %% [markdown]
# ## What averaging does
# The iterates scatter about the minimum, so their mean is nearer to it than any one of them: of
# $T$ steps its error falls as $1/\sqrt{T}$, whatever the rate. `average=True` gives the mean of
# all iterates, a number that from the step of that number on.

# %%
start = 10_000
for first in (1, start):
    model = SGDRegressor(**given, eta0=0.05, max_iter=1, shuffle=False, average=first)
    model.fit(X[drawn], y[drawn], coef_init=best)
    np.testing.assert_allclose(model.coef_, clouds[-1][first:].mean(axis=0), rtol=1e-9)

counts = np.arange(1, steps + 1)[:, np.newaxis]
last = np.linalg.norm(clouds[-1][1:] - best, axis=1)
mean = np.linalg.norm(np.cumsum(clouds[-1][1:], axis=0) / counts - best, axis=1)
assert mean[-1] < last[steps // 2 :].mean() / 4

figure, axes = plt.subplots(figsize=(6, 4))
axes.loglog(last[::40], linewidth=0.6, label="last iterate")
axes.loglog(mean[::40], label="mean of the iterates")
axes.set(xlabel="steps (units of 40)", ylabel="distance to least squares (units of y)")
axes.legend()
plt.show()

# %% [markdown]
# ## A thousand epochs for one read
# Without shuffling, at a constant rate, an epoch is always the same: a step is affine in $w$, and
# so is the whole epoch, $w \leftarrow A w + b$. One read finds $A$ and $b$, however many epochs
# follow. `solver_` says that the library found that, too.

# %%
A, b = np.eye(2), np.zeros(2)
for x, target in zip(X, y, strict=True):
    step = np.eye(2) - 0.001 * np.outer(x, x)
    A, b = step @ A, step @ b + 0.001 * target * x

w = np.zeros(2)
for _ in range(1000):
    w = A @ w + b
model = SGDRegressor(**given, eta0=0.001, max_iter=1000, shuffle=False).fit(X, y)
np.testing.assert_allclose(model.coef_, w, rtol=1e-10)
print(model.solver_, model.n_iter_, model.t_)

# %% [markdown]
# Where does that end? At the $w$ that an epoch leaves where it is: not the least squares, but
# within what the rate and the order of the rows make of them.

# %%
fixed = np.linalg.solve(np.eye(2) - A, b)
np.testing.assert_allclose(w, fixed, rtol=1e-9)
print(fixed - best)
assert 0 < abs(fixed - best).max() < 0.05
