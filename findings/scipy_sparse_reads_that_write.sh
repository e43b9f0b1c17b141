#!/usr/bin/env bash
# SciPy 1.17.1: what only reads a sparse array, as `abs(A)` or `A.max()`, reorders and sums its entries, in place.
# What a good engineer would guess: `abs(A)`, `A.sqrt()`, `A.sum()`, `A.max()` or `A.count_nonzero()` leave A as it is, as
# `-A`, `A * 2`, `A + A` and `A.toarray()` do. What happens: where entries of a row are out of order or name a column
# twice, which the format allows, they are sorted and summed within A's own arrays first. Somebody else's view of `A.data`
# and `A.indices` changes, as do places that were remembered; and of arrays that may not be written, such as those that
# joblib maps into workers' memory, the same calls raise "WRITEBACKIFCOPY base is read-only".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scipy==1.17.1' 'numpy==2.4.6'
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from scipy import sparse

READS = {
    "-A": lambda A: -A,
    "A * 2": lambda A: A * 2,
    "A + A": lambda A: A + A,
    "A.toarray()": lambda A: A.toarray(),
    "abs(A)": abs,
    "A.power(2)": lambda A: A.power(2),
    "A.max()": lambda A: A.max(),
    "A.sum()": lambda A: A.sum(),
    "A.count_nonzero()": lambda A: A.count_nonzero(),
}


def create():
    parts = np.array([1.0, 3.0, 2.0, 5.0]), np.array([1, 1, 1, 0]), np.array([0, 2, 4])
    return sparse.csr_array(parts, shape=(2, 2))  # a column twice in one row, columns out of order in the other


print("SciPy", version("scipy"))
changed, refused = [], []
for name, read in READS.items():
    A = create()
    read(A)
    if A.nnz != 4:
        changed.append(name)
    A = create()
    for part in (A.data, A.indices, A.indptr):
        part.flags.writeable = False
    try:
        read(A)
    except ValueError as error:
        refused.append(name)
        message = str(error)
print("change A:", ", ".join(changed))
print("refuse an A that may not be written:", ", ".join(refused), f"({message})")
assert changed == refused == list(READS)[4:], "others do now"
PYTHON
