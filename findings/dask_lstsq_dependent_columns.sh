#!/usr/bin/env bash
# dask 2026.8.0: `dask.array.linalg.lstsq` returns coefficients without a right digit where columns depend on each other,
# beside the right rank. What a good engineer would guess: the function has NumPy's name and four results, the rank among
# them; so it returns the solution of least norm where the rank is short, as `numpy.linalg.lstsq` does. What happens: it solves
# by the triangular factor as if the rank were full. With a column that is there twice the two coefficients are some 1e14 to
# either side, with dummies of all categories beside an intercept all four; NumPy's are below 5. The rank that it returns, 3
# of 4, says that it looked at the singular values. No error; the one warning, of a square root, is of those.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'dask[array]==2026.8.0' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'

import dask
import dask.array as da
import numpy as np

print("dask", dask.__version__)
rng = np.random.default_rng(0)
kinds = np.eye(3)[rng.integers(0, 3, 300)]
columns = rng.standard_normal((300, 3))
tables = {
    "a column twice": np.column_stack([columns, columns[:, 2]]),
    "all categories and ones": np.column_stack([kinds, np.ones(300)]),
}
for name, X in tables.items():
    y = X @ [1.0, 2.0, 3.0, 4.0] + rng.standard_normal(300)
    right, _, rank, _ = np.linalg.lstsq(X, y, rcond=None)
    found, residuals, told, _ = dask.compute(*da.linalg.lstsq(da.from_array(X, chunks=(100, 4)), da.from_array(y, chunks=100)))
    print(f"{name}: rank {told} (NumPy {rank}), coefficients {found} (NumPy {right})")
    assert told == rank == 3
    error = np.abs(found - right).max() if np.isfinite(found).all() else np.inf
    assert error > 1, "it returns the solution of least norm now"
whole = columns
found = da.linalg.lstsq(da.from_array(whole, chunks=(100, 3)), da.from_array(y, chunks=100))[0].compute()
assert np.allclose(found, np.linalg.lstsq(whole, y, rcond=None)[0])  # with full rank it is right
PYTHON
