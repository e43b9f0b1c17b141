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
# # Benchmarks: how to measure, and what makes it fast
#
# One problem, solved again and again, each rung of the ladder one idea faster, every result
# checked before its time is shown. Sizes are small, so that this page runs in seconds; the last
# section has the commands for full ones.

# %%
import os
import statistics
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression as SklearnRegression
from sklearn.neighbors import NearestNeighbors as SklearnNeighbors

from rmodels import LinearRegression, NearestNeighbors, config_context, native, ops
from rmodels.config import thread_count

rng = np.random.default_rng(0)
threads = thread_count()
print(f"{threads} threads, instruction sets: {', '.join(native.instruction_sets()) or 'none'}")
print("GPU:", ops.unavailable("gpu") or "usable")

# %% [markdown]
# ## Measuring
# 1. *First the answer.* Every contender is run once and compared with the truth; a wrong one has
#    no speed.
# 2. *In turns.* A machine gets slower and faster over seconds. If contenders take turns, all meet
#    the same machine.
# 3. *Medians*, with quartiles: a mean is moved by one interruption.


# %%
def race(contenders, check, rounds=9, budget=0.7):
    """Quartiles of each contender's seconds, from 3 rounds or as many as the budget allows."""
    for contender in contenders.values():
        check(contender())  # also warms up caches and threads
    seconds = {name: [] for name in contenders}
    began = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - began > budget:
            break
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.quantiles(each, n=4) for name, each in seconds.items()}


def readable(milliseconds):
    if milliseconds < 1000:
        return f"{milliseconds:.3g} ms"
    return f"{milliseconds / 1000:.3g} s"


def draw_ladder(ax, found, ours, limit=None):
    names = list(found)
    low, median, high = 1e3 * np.transpose([found[name] for name in names])
    for row, name in enumerate(names):
        color = "C0" if name in ours else "C4"
        spread = [[median[row] - low[row]], [high[row] - median[row]]]
        ax.errorbar(median[row], row, xerr=spread, fmt="o", color=color)
        ax.text(high[row] * 1.3, row, readable(median[row]), va="center", fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlabel("time (ms): median and quartiles")
    ax.set_xlim(right=high.max() * 6)
    if limit is not None:
        ax.set_xlim(left=1e3 * limit / 3)
        ax.axvline(1e3 * limit, color="C1", linewidth=1.2)
        ax.text(1.1e3 * limit, 0, "one read of X", color="C1", va="center", fontsize=9)


# %% [markdown]
# ## The ladder of gradient descent
# 20,000 rows of 40 features and 1000 iterations. The rungs:
#
# | rung | idea |
# |---|---|
# | Python loops | numbers one at a time; measured on 1 iteration over 500 rows |
# | NumPy, two passes | the rows as matrix products; as the next, measured on 20 iterations |
# | C++, one thread | residual and gradient from *one* read of each row, for each instruction set |
# | C++, all threads | rows shared among processors |
# | closed form | all 1000 iterations from the second moments: one read in all |

# %%
n, d, iterations, rate = 20_000, 40, 1000, 0.5
X = rng.normal(size=(n, d)) / np.sqrt(d)
y = X @ rng.normal(size=d) + 0.1 * rng.normal(size=n)
Z = np.column_stack([X, np.ones(n)])


def numpy_loop(steps, rows=n):
    w = np.zeros(d + 1)
    for _ in range(steps):
        w -= rate * Z[:rows].T @ (Z[:rows] @ w - y[:rows]) / rows
    return w


def python_loop(rows=500):
    """One iteration."""
    w, gradient = [0.0] * (d + 1), [0.0] * (d + 1)
    for z, target in zip(Z_list, y_list, strict=True):
        residual = sum(a * b for a, b in zip(z, w, strict=True)) - target
        for column, value in enumerate(z):
            gradient[column] += residual * value
    return np.array([-rate * each / rows for each in gradient])


def by_library(steps, *, solver="stream", isa=None, n_jobs=None):
    def run():
        if isa:
            os.environ["RMODELS_ISA"] = isa  # read at every call
        try:
            model = LinearRegression(
                iterations=steps, learning_rate=rate, solver=solver, n_jobs=n_jobs
            ).fit(X, y)
        finally:
            os.environ.pop("RMODELS_ISA", None)
        return np.append(model.coef_, model.intercept_)

    return run


def equals(truth, tolerance=1e-10):
    def check(found):
        np.testing.assert_allclose(found, truth, rtol=0, atol=tolerance * np.abs(truth).max())

    return check


Z_list, y_list = Z[:500].tolist(), y[:500].tolist()
part = 20
one_row_step = race({"Python loops": python_loop}, equals(numpy_loop(1, rows=500)))
streams = {"NumPy, two passes": lambda: numpy_loop(part)}
streams |= {
    f"C++ {isa}, one thread": by_library(part, isa=isa, n_jobs=1)
    for isa in reversed(native.instruction_sets())
}
if native.instruction_sets():
    streams["C++, all threads"] = by_library(part)
streamed = race(streams, equals(numpy_loop(part)))

H, c, w = Z.T @ Z / n, Z.T @ y / n, np.zeros(d + 1)
for _ in range(iterations):  # the same steps, on the second moments
    w -= rate * (H @ w - c)
closed = race({"closed form": by_library(iterations, solver="moments")}, equals(w))

scaled = {name: np.multiply(each, n / 500 * iterations) for name, each in one_row_step.items()}
scaled |= {name: np.multiply(each, iterations / part) for name, each in streamed.items()}
scaled |= closed

# %% [markdown]
# What is the least that it could take? Whatever the method, the rows are read once. `X.sum()`
# reads them and does little else:

# %%
read = race({"sum": X.sum}, equals(X.sum(dtype=np.longdouble)), rounds=20)["sum"][1]
fig, ax = plt.subplots(figsize=(8.5, 0.42 * len(scaled) + 1))
ours = [name for name in scaled if name.startswith(("C++", "closed"))]
draw_ladder(ax, scaled, ours, limit=read)
ax.set_title("1000 iterations, 20,000 × 40, float64")
plt.show()

# %% [markdown]
# ## The ladder of neighbours
# 5 neighbours for 300 queries among 10,000 points of 10 features. The truth is the definition, in
# float64.

# %%
points, queries, k = rng.normal(size=(10_000, 10)), rng.normal(size=(300, 10)), 5


def definition():
    with config_context(engine="reference"):
        return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(queries)[1]


def expansion():
    """The square expanded: a matrix product, then the k smallest of each row."""
    scores = (points**2).sum(axis=1) - 2 * queries @ points.T
    some = np.argpartition(scores, k, axis=1)[:, :k]
    order = np.take_along_axis(scores, some, axis=1).argsort(axis=1)
    return np.take_along_axis(some, order, axis=1)


def search(estimator, **parameters):
    return lambda: estimator(n_neighbors=k, **parameters).fit(points).kneighbors(queries)[1]


truth = definition()
rungs = {
    "NumPy, the definition": definition,
    "NumPy, squares expanded": expansion,
    "scikit-learn, brute": search(SklearnNeighbors, algorithm="brute", n_jobs=-1),
    "scikit-learn, kd_tree": search(SklearnNeighbors, algorithm="kd_tree", n_jobs=-1),
    "rmodels, scan": search(NearestNeighbors, algorithm="brute"),
    "rmodels, tree": search(NearestNeighbors, algorithm="kd_tree"),
}
found = race(rungs, lambda answer: np.testing.assert_array_equal(answer, truth))
fig, ax = plt.subplots(figsize=(8.5, 3.4))
draw_ladder(ax, found, [name for name in found if name.startswith("rmodels")])
ax.set_title("5 neighbours, 300 queries, 10,000 points, 10 features")
plt.show()

# %% [markdown]
# ## Scaling
# Lines on logarithmic axes: the slope is the exponent. Least squares is linear in the rows, and
# below some thousands of rows it is the fixed cost of a call. The limit is one read of X at the
# speed measured above.

# %%
sizes = np.array([300, 1_000, 3_000, 10_000, 30_000, 100_000])
wide = rng.normal(size=(sizes[-1], 20))
target = wide @ rng.normal(size=20) + rng.normal(size=sizes[-1])
fits, searches = [], []
for rows in sizes:
    A, b = wide[:rows], target[:rows]
    fits.append(
        race(
            {
                "scikit-learn": lambda A=A, b=b: SklearnRegression().fit(A, b).coef_,
                "rmodels": lambda A=A, b=b: LinearRegression().fit(A, b).coef_,
            },
            equals(LinearRegression(solver="rows").fit(A, b).coef_, 1e-9),
        )
    )
    P, Q = wide[:rows, :3], rng.normal(size=(1000, 3))
    exact = NearestNeighbors(algorithm="brute").fit(P).kneighbors(Q)[1]
    searches.append(
        race(
            {
                "scikit-learn": lambda P=P, Q=Q: (
                    SklearnNeighbors(algorithm="kd_tree", n_jobs=-1).fit(P).kneighbors(Q)[1]
                ),
                "rmodels": lambda P=P, Q=Q: NearestNeighbors().fit(P).kneighbors(Q)[1],
            },
            lambda answer, exact=exact: np.testing.assert_array_equal(answer, exact),
        )
    )

fig, panels = plt.subplots(1, 2, figsize=(10, 4))
for ax, results in zip(panels, (fits, searches), strict=True):
    for name, color, marker in (("scikit-learn", "C4", "s"), ("rmodels", "C0", "o")):
        low, median, high = 1e3 * np.transpose([result[name] for result in results])
        ax.loglog(sizes, median, marker=marker, markersize=4, color=color, label=name)
        ax.fill_between(sizes, low, high, color=color, alpha=0.2, linewidth=0)
    ax.set_ylabel("time (ms)")
panels[0].loglog(sizes, 1e3 * read * sizes * 20 / X.size, ":", color="C1", label="one read of X")
panels[0].set(xlabel="rows of X", title="least squares, 20 features")
panels[1].set(xlabel="points", title="5 neighbours of 1000 queries, 3 features")
panels[0].legend(loc="best")
panels[1].legend(loc="best")
plt.show()

# %% [markdown]
# ## On a GPU
# Where there is one, the same calls with `engine="gpu"`, data on the processor, copying included:

# %%
if ops.unavailable("gpu") is None:

    def on_gpu():
        with config_context(engine="gpu"):
            return LinearRegression().fit(wide, target).coef_

    found = race(
        {"native": lambda: LinearRegression().fit(wide, target).coef_, "gpu": on_gpu},
        equals(LinearRegression(solver="rows").fit(wide, target).coef_, 1e-9),
    )
    fig, ax = plt.subplots(figsize=(7.5, 2))
    draw_ladder(ax, found, ["gpu", "native"])
    ax.set_title("least squares, 100,000 × 20")
    plt.show()
else:
    print("not here:", ops.unavailable("gpu"))

# %% [markdown]
# ## In full
# ```console
# $ rmodels bench --suite ladder
# $ rmodels bench --suite scaling
# $ rmodels bench --peers
# $ rmodels report -o report.html
# ```
# The first two are this page at 200,000 × 40 and up to ten million rows; the third races
# scikit-learn, scikit-learn-intelex and FAISS, with goals; the last draws everything on one page
# of HTML. The page about benchmarks says how
# everything is measured.
