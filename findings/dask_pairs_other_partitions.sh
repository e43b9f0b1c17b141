#!/usr/bin/env bash
# dask 2026.8.0: `map_partitions` of two frames that are read from Parquet, of one file a partition each, may
# hand partitions to the function that do not belong together. What a good engineer would guess: partition i of
# one frame meets partition i of the other, as their numbers of partitions are equal when the call is made.
# What happens: at optimisation the reader joins files, by the share of their columns that is read. Frames of
# two folders of equal files, of which one is read with three columns and the other with one, are joined by
# different factors after they were paired: of 6 and 6 partitions of 50 rows each, the function meets
# (100, 150), (100, 75), (100, 75) rows, without an error. Without optimisation the pairs are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'dask[dataframe]==2026.8.0' 'pandas==3.1.1' 'pyarrow==26.0.1' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
for name in ("features", "targets"):
    for i in range(6):
        frame = pd.DataFrame(rng.normal(size=(50, 6)), columns=list("abcyvw"))
        path = f"{name}-{i}.parquet"
        frame.to_parquet(path)
features = dd.read_parquet("features-*.parquet")[["a", "b", "c"]]
targets = dd.read_parquet("targets-*.parquet")["y"]
assert features.npartitions == targets.npartitions == 6


def lengths(x, y):
    return pd.Series([(len(x), len(y))], dtype=object)


meta = pd.Series([], dtype=object)
pairs = dd.map_partitions(lengths, features, targets, meta=meta, align_dataframes=False)
optimised = list(pairs.compute())
plain = [each for part in dask.compute(*pairs.to_delayed(optimize_graph=False)) for each in part]
print("dask", dask.__version__)
print("optimised:", optimised)
print("as written:", plain)
assert plain == [(50, 50)] * 6
assert sum(x for x, _ in optimised) == sum(y for _, y in optimised) == 300
assert any(x != y for x, y in optimised), "partitions are paired as they were written now"
PYTHON
