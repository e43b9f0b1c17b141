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
# # From a table to tested coefficients
#
# A file of flats has gaps and a column of text. We fill the gaps with means and make columns of 0
# and 1 of the text by hand, have a scan do the same while it reads the file, and then ask of the
# model what statistics asks: which coefficients are sure, how far predictions are, and whether the
# assumptions hold.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from rmodels import LinearRegression, load, plot, save, scan

rng = np.random.default_rng(0)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "flats.csv")

# %% [markdown]
# ## The table
# 200 flats (invented), of some of which nobody wrote down the area.

# %%
n = 200
flats = pd.DataFrame(
    {
        "area": rng.uniform(30, 120, n).round(1),
        "age": rng.integers(0, 60, n).astype(float),
        "town": rng.choice(["Bonn", "Köln", "Ulm"], n),
    }
)
town = flats.town.map({"Bonn": 20.0, "Köln": 45.0, "Ulm": 0.0})
flats["price"] = (3.2 * flats.area - 0.8 * flats.age + town + rng.normal(0, 15, n)).round(1)
flats.loc[rng.choice(n, 8, replace=False), "area"] = np.nan
flats.to_csv(path, index=False)
flats.head()

# %% [markdown]
# ## Means for gaps, 0 and 1 for text
# A value that is missing becomes the mean of those that are there,
# $\bar x = \sum_i m_i x_i / \sum_i m_i$ with $m_i = 1$ where there is one: two sums, so that files
# can be read in batches. A town becomes three columns, of which each row has one that is 1.

# %%
area = flats.area.to_numpy()
there = ~np.isnan(area)
mean = area[there].sum() / there.sum()
towns = np.unique(flats.town)
X = np.column_stack(
    [np.where(there, area, mean), flats.age, flats.town.to_numpy()[:, np.newaxis] == towns]
).astype(float)
y = flats.price.to_numpy()
print(towns, X[:2])

# %% [markdown]
# The three columns of towns sum to one, which the intercept is already: infinitely many
# coefficients give the same predictions, and least squares takes the shortest. So that each means
# something of its own, we leave the intercept out: a town's coefficient is its own intercept.

# %%
by_hand = np.linalg.lstsq(X, y, rcond=None)[0]
rows = scan(path, missing="mean", encode="onehot")
model = LinearRegression(fit_intercept=False).fit(rows, "price")
np.testing.assert_allclose(model.coef_, by_hand, rtol=1e-9)
print(dict(zip(model.feature_names_in_.tolist(), model.coef_.round(2).tolist(), strict=True)))

# %% [markdown]
# The model keeps the mean and the categories, also in a file, and so predicts from rows as they
# are: with text, with gaps.

# %%
save(model, Path(folder.name, "flats.rmodel"))
asked = pd.DataFrame({"area": [70.0, np.nan], "age": [10.0, 10.0], "town": ["Ulm", "Köln"]})
found = load(Path(folder.name, "flats.rmodel")).predict(asked)
np.testing.assert_allclose(found, [[70, 10, 0, 0, 1] @ by_hand, [mean, 10, 0, 1, 0] @ by_hand])
print(found.round(1))

# %% [markdown]
# To leave such rows out is the other way. Both are honest; with a mean in its place a gap says that
# a flat is of average size, which pulls the slope of the area towards 0 if gaps are many.

# %%
whole = flats.dropna().reset_index(drop=True)
rows = scan(path, missing="drop", encode="onehot")
model = LinearRegression(fit_intercept=False).fit(rows, "price")
print(f"{rows.n_rows} rows, {rows.n_left_out} left out")
X, y = X[there], y[there]
np.testing.assert_allclose(model.coef_, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-9)

# %% [markdown]
# ## Which coefficients are sure
# With residuals $r$ and $d$ columns, $s^2 = r \cdot r / (n - d)$ estimates the variance of an
# observation, and $s^2 (X^\top X)^{-1}$ the covariance of the coefficients.

# %%
residual = y - X @ model.coef_
freedom = len(y) - X.shape[1]
variance = residual @ residual / freedom
errors = np.sqrt(variance * np.linalg.inv(X.T @ X).diagonal())

summary = model.summary()
np.testing.assert_allclose(summary.standard_errors, errors, rtol=1e-9)
summary

# %% [markdown]
# That was `summary` as notebooks show it; `print(summary)` is text, `summary.to_latex()` a table
# for a paper, and `summary.to_frame()` one to compute with:

# %%
table = summary.to_frame()
table.round(3)

# %% [markdown]
# ## Whether columns say the same
# The variance inflation of a column is $1 / (1 - R^2)$ of its regression on the others: 1 if they
# say nothing of it. With an intercept in the model, one town is left out so that the columns are
# independent.

# %%
named = whole[["area", "age"]].assign(köln=whole.town == "Köln", ulm=whole.town == "Ulm")
named = named.astype(float)
inflation = LinearRegression().fit(named, whole.price).summary().variance_inflation
for place, column in enumerate(named):
    others = named.drop(columns=column)
    r2 = LinearRegression().fit(others, named[column]).score(others, named[column])
    np.testing.assert_allclose(inflation[place], 1 / (1 - r2), rtol=1e-8)
    print(f"{column}: {inflation[place]:.2f}")

# %% [markdown]
# ## How far predictions are
# The mean price of such flats lies in an interval by what we do not know of the coefficients; the
# price of one flat varies about it, too. Both for flats in Ulm that are 20 years old:

# %%
grid = pd.DataFrame({"area": np.linspace(30, 120, 60), "age": 20.0, "town": "Ulm"})
center, low, high = model.predict(grid, interval=0.95)
_, mean_low, mean_high = model.predict(grid, interval=0.95, interval_of="mean")

G = np.column_stack([grid.area, grid.age, np.zeros((60, 2)), np.ones(60)])
spread = np.sqrt(variance * np.einsum("ij,jk,ik->i", G, np.linalg.inv(X.T @ X), G))
t = stats.t.ppf(0.975, freedom)
np.testing.assert_allclose(mean_high - center, t * spread, rtol=1e-8)
np.testing.assert_allclose(high - center, t * np.sqrt(variance + spread**2), rtol=1e-8)

ulm = whole[whole.town == "Ulm"]
fig, ax = plt.subplots()
ax.scatter(ulm.area, ulm.price, s=14, label="flats in Ulm, of any age")
ax.plot(grid.area, center, color="0.2", label="prediction, 20 years old")
ax.fill_between(grid.area, low, high, alpha=0.2, label="95 % of such flats")
ax.fill_between(grid.area, mean_low, mean_high, alpha=0.5, label="their mean")
ax.set_xlabel("area (m²)")
ax.set_ylabel("price (1000 €)")
ax.legend()
plt.show()

# %% [markdown]
# ## Whether the assumptions hold
# Residuals without a pattern, few rows that the fit hangs on, and residuals that are as a normal
# distribution has them:

# %%
features = whole.drop(columns="price")  # the columns of the fit, in their order
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
plot.residuals(model, features, y, axes[0])
plot.leverage(model, features, y, axes[1])
plot.qq(model, features, y, axes[2])
plt.show()
folder.cleanup()
