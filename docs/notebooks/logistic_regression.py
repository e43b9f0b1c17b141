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
# # Logistic regression from scratch
#
# Two classes, a line between them, and how sure to be at each distance from it. We derive the loss,
# go down it by its gradient, see why that takes hundreds of steps, get there in five by Newton's
# method, and then ask how few times the rows must be read for it. Each way ends at the coefficients
# of `rmodels.LogisticRegression`.

# %%
import math
import time

import matplotlib.pyplot as plt
import numpy as np

from rmodels import LogisticRegression

rng = np.random.default_rng(0)
n = 300
X = rng.standard_normal((n, 2)) @ [[1.0, 0.0], [1.2, 0.5]]
y = (rng.logistic(size=n) < X @ [1.5, -1.0] + 0.5).astype(float)

# %% [markdown]
# ## The loss
# Let the odds of the second class be $e^s$ with a score $s = x \cdot w + b$ that is linear. Its
# probability is then $p = 1 / (1 + e^{-s})$, and minus the logarithm of the probability of what
# was seen is, for $y$ of 0 or 1,
#
# $$\ell = \log(1 + e^s) - y s .$$
#
# Summed over the rows it is what we minimise, with half the squares of $w$ over $C$ so that no
# coefficient runs away. With $z = (x, 1)$ and $\theta = (w, b)$, the derivative of $\ell$ by $s$ is
# $p - y$, and the next one is $p (1 - p)$: the gradient is $\sum (p - y) z$, and the curvature
# $\sum p (1 - p) z z^T$.

# %%
C = 1.0
Z = np.column_stack([X, np.ones(n)])
penalty = np.array([1.0, 1.0, 0.0]) / C  # none on the intercept


def loss(theta):
    s = Z @ theta
    return (np.logaddexp(0, s) - y * s).sum() + 0.5 * penalty @ theta**2


def probabilities(theta):
    return 1 / (1 + np.exp(-(Z @ theta)))


def gradient(theta):
    return Z.T @ (probabilities(theta) - y) + penalty * theta


def curvature(theta):
    p = probabilities(theta)
    return Z.T @ ((p * (1 - p))[:, np.newaxis] * Z) + np.diag(penalty)


model = LogisticRegression(C=C).fit(X, y)
exact = np.append(model.coef_, model.intercept_)
assert abs(gradient(exact)).max() < 1e-10

# %% [markdown]
# ## Down the gradient
# A step against the gradient may be as long as 1 over the largest curvature there can be, which is
# that of $p = 1/2$. Along the flattest direction it does little: what is missing shrinks by one
# over the condition number with each step.

# %%
steepest = np.linalg.eigvalsh(Z.T @ Z / 4 + np.diag(penalty))
theta, descent = np.zeros(3), [np.zeros(3)]
while abs(theta - exact).max() > 1e-10:
    theta = theta - gradient(theta) / steepest[-1]
    descent.append(theta)
print(f"{len(descent) - 1} steps; condition number {steepest[-1] / steepest[0]:.0f}")

# %% [markdown]
# ## Newton's method
# With the curvature we know where the parabola that touches the loss here has its minimum. Near the
# end the number of right digits doubles with each step. Each step is a least-squares problem with
# weights $p (1 - p)$, which is why it is also known as iteratively reweighted least squares.

# %%
theta, newton = np.zeros(3), [np.zeros(3)]
for _ in range(7):
    theta = theta - np.linalg.solve(curvature(theta), gradient(theta))
    newton.append(theta)
assert np.allclose(theta, exact, rtol=1e-11, atol=0)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for path, name in ((descent, "gradient"), (newton, "Newton")):
    errors = [abs(each - exact).max() for each in path]
    left.semilogy([max(each, 1e-16) for each in errors[:60]], ".-", label=name)
left.set(xlabel="steps", ylabel="largest error of a coefficient", title="What is missing")
left.legend()
grid = np.linspace(-4, 4, 200)
A, B = np.meshgrid(grid, grid)
p = 1 / (1 + np.exp(-(A * exact[0] + B * exact[1] + exact[2])))
drawn = right.contourf(A, B, p, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.7)
right.scatter(*X[y == 1].T, s=8, label="1")
right.scatter(*X[y == 0].T, s=8, label="0", color="C3")
right.set(xlabel="first column", ylabel="second column", title="Probability of 1")
right.set(xlim=(-4, 4), ylim=(-4, 4))
fig.colorbar(drawn, ax=right)
plt.show()

# %% [markdown]
# ## Few reads
# On many rows, a step costs what reading them costs, and the curvature a few times more: it is
# $d^2 / 2$ products for each row where the gradient is $2 d$. But what we need the curvature for is
# only to point the way, and it hardly changes near the minimum. So:
#
# 1. a sixteenth of the rows, whose minimum is near that of all: off by about $1 / \sqrt{n / 16}$;
# 2. one read of all rows from there, with gradient and curvature;
# 3. then gradients alone. Each step shows how the gradient really changed along it, and that
#    corrects the inverse of the curvature (the formula of Broyden, Fletcher, Goldfarb and Shanno),
#    so that each read brings more digits than the one before.


# %%
def correct(inverse, step, change):
    """Return the inverse of a curvature that explains how the gradient changed along a step."""
    rho = 1 / (step @ change)
    left = np.eye(len(step)) - rho * np.outer(step, change)
    return left @ inverse @ left.T + rho * np.outer(step, step)


n = 40_000
X = rng.standard_normal((n, 5)) @ (np.eye(5) + 0.3 * rng.standard_normal((5, 5)))
y = (X @ np.linspace(-1, 1, 5) > rng.logistic(size=n)).astype(float)
Z, penalty = np.column_stack([X, np.ones(n)]), np.append(np.ones(5), 0.0)
model = LogisticRegression().fit(X, y)
exact = np.append(model.coef_, model.intercept_)

everything = Z, y, penalty
Z, y, penalty = Z[::16], y[::16], penalty / 16
theta = np.zeros(6)
for _ in range(8):
    theta = theta - np.linalg.solve(curvature(theta), gradient(theta))
Z, y, penalty = everything

inverse, g = np.linalg.inv(curvature(theta)), gradient(theta)
errors = [abs(theta - exact).max()]
for _ in range(6):
    step = -inverse @ g
    theta, before, g = theta + step, g, gradient(theta + step)
    inverse = correct(inverse, step, g - before)
    errors.append(abs(theta - exact).max())
print("after the sample, and after each read:", *(f"{each:.0e}" for each in errors))
assert errors[-1] < 1e-8
print("rmodels:", model.n_reads_, "reads")

# %% [markdown]
# ## The ladder
# From a loop over the rows in Python to what the machine can do: one step of gradient descent, in
# microseconds, and beside it a whole fit.


# %%
def loop(rows, labels, w):
    total = [0.0] * len(w)
    for x, label in zip(rows, labels, strict=True):
        s = sum(a * b for a, b in zip(x, w, strict=True))
        r = 1 / (1 + math.exp(-s)) - label
        for j, a in enumerate(x):
            total[j] += r * a
    return total


def fastest(call, times=3):
    """Return the least time of some calls, in seconds."""
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begun)
    return min(spent)


rows, labels = Z[:2000].tolist(), y[:2000].tolist()
one = loop(rows, labels, exact.tolist())
assert np.allclose(one, Z[:2000].T @ (probabilities(exact) - y)[:2000])
rungs = {
    "gradient, Python loop": fastest(lambda: loop(rows, labels, exact.tolist())) * n / 2000,
    "gradient, NumPy": fastest(lambda: gradient(exact)),
    "gradient and curvature, NumPy": fastest(lambda: (gradient(exact), curvature(exact))),
    "whole fit, rmodels": fastest(lambda: LogisticRegression().fit(X, y)),
}
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.barh(list(rungs), [1e3 * each for each in rungs.values()])
ax.set(xscale="log", xlabel="time (ms)", title=f"{n:,} rows of 5 columns")
ax.invert_yaxis()
plt.show()

# %% [markdown]
# More: [logistic regression](../logistic_regression.md) in the user guide has what happens with
# more classes, penalties on magnitudes, and rows that do not fit in memory.
