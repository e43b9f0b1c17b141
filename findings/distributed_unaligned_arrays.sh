#!/usr/bin/env bash
# distributed 2026.8.0: an array that one worker process makes and a task on another takes begins, there, at an
# address that is no multiple of its item size; so does one that the client scatters. What a good engineer would
# guess: alignment is kept, as by NumPy, whose arrays have it when they are made and when they are unpickled.
# What happens: a message is received into one piece of memory, and the array is a view of it behind the
# message's head: of twelve arrays of float64, and of twelve columns of frames of pandas, none is aligned, by
# `flags.aligned` and by its address. Code in C, or BLAS, that is handed their address without NumPy in between
# is given what it need not bear.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'distributed==2026.8.0' 'dask==2026.8.0' 'numpy==2.4.6' 'pandas==3.1.1'
cd "$folder"
cat > look.py <<'PYTHON'
import pickle

import distributed
import numpy as np
import pandas as pd


def make(i, kind):
    array = np.arange(100.0 + i)
    return pd.DataFrame({"column": array}) if kind == "frames" else array


def is_aligned(value):
    array = value if isinstance(value, np.ndarray) else value["column"].to_numpy()
    return array.flags.aligned and array.__array_interface__["data"][0] % 8 == 0


if __name__ == "__main__":
    print("distributed", distributed.__version__, "numpy", np.__version__)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        one, other = client.scheduler_info()["workers"]
        for kind in ("arrays", "frames"):
            here = [make(i, kind) for i in range(12)]
            assert all(is_aligned(pickle.loads(pickle.dumps(each))) for each in here)
            made = [client.submit(make, i, kind, workers=one) for i in range(12)]
            stay = [client.submit(is_aligned, each, workers=one).result() for each in made]
            moved = [client.submit(is_aligned, each, workers=other).result() for each in made]
            sent = [client.submit(is_aligned, client.scatter(each)).result() for each in here]
            print(f"{kind} aligned where made: {sum(stay)}, moved: {sum(moved)}, scattered: {sum(sent)}")
            assert all(stay)
            assert not any(moved) and not any(sent), "they are aligned there, too, now"
PYTHON
"$folder/venv/bin/python" look.py
