#!/usr/bin/env bash
# DuckDB 2.0.1, pyarrow 26.0.1, pandas 3.1.1: where a column has NaN, which rows a filter of a Parquet file keeps
# depends on who wrote the file and on how its rows are cut into row groups. What a good engineer would guess: a filter
# keeps the same rows of a file and of the same table in memory; statistics only spare reading. What happens: minimum
# and maximum in a file leave NaN out, and both readers take them for bounds of every row. DuckDB calls NaN the largest
# number, so `x > 4` loses it and `x <= 100` keeps it; 2.0 goes further and settles `isnan(x)` without a look: no row is
# NaN, so `where not isnan(x)` keeps all of them, and a mean of what is not NaN is NaN (1.4.4 finds those rows). Of a
# file that DuckDB wrote, which has no bounds where there is NaN, all is right. pyarrow, and with it
# `pandas.read_parquet(filters=[("x", "!=", 0)])`, loses the NaN of a row group whose other values are all 0, where
# `query("x != 0")` and filters=[("x", "not in", [0])] keep it; of ~(x >= 0) it finds nothing. polars 2.1.0 keeps the
# same rows of the file and of the table. None raises or warns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'duckdb==2.0.1' 'pyarrow==26.0.1' 'pandas==3.1.1' 'polars==2.1.0' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

x = np.array([0.0, 0.0, np.nan, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0])  # three row groups: the first is 0, 0, NaN
table = pa.table({"row": np.arange(9), "x": x})
pq.write_table(table, "arrow.parquet", row_group_size=3)
bounds = pq.ParquetFile("arrow.parquet").metadata.row_group(0).column(1).statistics
print("statistics of 0, 0, NaN:", bounds.min, "to", bounds.max)

con = duckdb.connect()
con.register("arrow", table)
con.execute("create table memory as from arrow")
con.execute("copy memory to 'duck.parquet' (row_group_size 3)")


def rows(source, condition):
    return [row for (row,) in con.execute(f"select row from {source} where {condition} order by row").fetchall()]


print("DuckDB", duckdb.__version__)
duck = {}
for condition in ("isnan(x)", "not isnan(x)", "x > 4", "x <= 100", "x < 2"):
    duck[condition] = tuple(rows(source, condition) for source in ("memory", "'duck.parquet'", "'arrow.parquet'"))
    memory, own, arrow = duck[condition]
    print(f"  {condition}: table {memory}, own file {own}, Arrow's file {arrow}")
averaged = "select avg(x) from {} where not isnan(x)"
means = [con.execute(averaged.format(source)).fetchone()[0] for source in ("memory", "'arrow.parquet'")]
print("  mean of what is not NaN:", *means)

print("pyarrow", pa.__version__, "pandas", pd.__version__)
pairs = {}
for name, kept in {"x != 0": ds.field("x") != 0, "~(x >= 0)": ~(ds.field("x") >= 0)}.items():
    read = pq.read_table("arrow.parquet", filters=kept)
    pairs[name] = tuple(kind["row"].to_pylist() for kind in (table.filter(kept), read))
    print(f"  {name}: table {pairs[name][0]}, file {pairs[name][1]}")
unlike = pd.read_parquet("arrow.parquet", filters=[("x", "!=", 0)])["row"].tolist()
outside = pd.read_parquet("arrow.parquet", filters=[("x", "not in", [0])])["row"].tolist()
queried = pd.read_parquet("arrow.parquet").query("x != 0")["row"].tolist()
print(f"  pandas: != 0 {unlike}, not in [0] {outside}, query {queried}")

frame, scan = pl.read_parquet("arrow.parquet"), pl.scan_parquet("arrow.parquet")
column = pl.col("x")
for kept in (column.is_nan(), column.is_not_nan(), column > 4, column <= 100, column != 0, ~(column >= 0)):
    assert frame.filter(kept)["row"].to_list() == scan.filter(kept).collect()["row"].to_list(), kept
print("polars", pl.__version__, "agrees with itself")

for condition, (memory, own, arrow) in duck.items():
    assert memory == own, condition
    assert (memory == arrow) is (condition == "x < 2"), f"{condition} is the same now"
assert duck["isnan(x)"] == ([2], [2], []) and 2 in duck["not isnan(x)"][2], "DuckDB looks for NaN now"
assert means[0] == 1.5 and np.isnan(means[1])
assert pairs["x != 0"] == ([2, 3, 4, 5], [3, 4, 5]) and pairs["~(x >= 0)"] == ([2], []), "pyarrow keeps NaN now"
assert unlike == [3, 4, 5] and outside == queried == [2, 3, 4, 5]
PYTHON
