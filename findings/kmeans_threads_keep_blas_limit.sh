#!/usr/bin/env bash
# scikit-learn 1.9.1, threadpoolctl 3.8.0: two fits of `KMeans`, or two searches by brute force, that overlap in two
# threads of one process, as in a server or under Dask, may leave the BLAS of NumPy and SciPy on one thread, for good.
# What a good engineer would guess: what a call changes while it runs is put back when it returns; once none runs, all
# is as it was. What happens: each notes the number of threads of BLAS, sets 1, and puts back what it noted, but the
# number is the whole process's. One that begins while another runs notes 1; if it ends last, 1 stays, and every later
# product, `svd` or fit uses one core: later calls note 1, too. In between, when the first has ended, the second goes on
# with all threads of BLAS, which the limit is there to prevent. threadpoolctl 3.8 lets one thread at a time change
# OpenBLAS, which does not help: once the first has ended, the second may. (If the main thread has called
# `threadpool_limits` without `with`, nobody else may, ever: nothing stays, but no fit in another thread is limited,
# either.) In turn, or if the first ends last, nothing stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'threadpoolctl==3.8.0' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
from importlib.metadata import version
from threading import Event, Thread, current_thread

import numpy as np
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_info, threadpool_limits

X = np.random.default_rng(0).standard_normal((8000, 10))


def blas():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def start_with_two():
    """Sets two threads of BLAS on any machine, from a thread that ends, so that others may change the number."""
    setter = Thread(target=threadpool_limits, kwargs={"limits": 2, "user_api": "blas"})
    setter.start()
    setter.join()
    assert blas() == {2}


class Hold:
    """Takes what `verbose=1` prints of iterations, from within the limit: a fit waits there until it is let go."""

    def __init__(self):
        self.inside = {name: Event() for name in ("first", "second")}
        self.go_on = {name: Event() for name in ("first", "second")}

    def write(self, text):
        if text.startswith("Iteration"):
            self.inside[current_thread().name].set()
            self.go_on[current_thread().name].wait()

    def flush(self):
        pass


def fits(ends):
    """The threads of BLAS before two fits, while they overlap, after one of them has ended, and after both."""
    hold, running, seen = Hold(), {}, [blas()]
    with contextlib.redirect_stdout(hold):
        for name in ("first", "second"):
            model = KMeans(3, n_init=1, random_state=0, verbose=1)
            running[name] = Thread(target=model.fit, args=(X[:300],), name=name)
            running[name].start()
            hold.inside[name].wait()
        seen.append(blas())
        for name in ends:
            hold.go_on[name].set()
            running[name].join()
            seen.append(blas())
    return seen


def searches():
    """The threads of BLAS after two searches, of which the second begins later and takes longer."""
    model = NearestNeighbors(algorithm="brute").fit(X)
    for _ in range(30):  # again, should the second have come too late
        start_with_two()
        first, second = (Thread(target=model.kneighbors, args=(X[:size],)) for size in (1000, 8000))
        first.start()
        while first.is_alive() and blas() != {1}:
            pass
        second.start()
        first.join()
        second.join()
        if blas() != {2}:
            break
    return blas()


print("scikit-learn", version("scikit-learn"), "threadpoolctl", version("threadpoolctl"), flush=True)
start_with_two()
for _ in range(2):
    KMeans(3, n_init=1, random_state=0).fit(X[:300])
print("threads of BLAS after two fits in turn:", blas())
assert blas() == {2}
nested = fits(("second", "first"))
print("two fits that overlap: before, during, after one, after both")
print("  the first ends last:", *nested, flush=True)
crossed = fits(("first", "second"))
print("  the second ends last:", *crossed, flush=True)
KMeans(3, n_init=1, random_state=0).fit(X[:300])
print("after one more fit, alone:", blas(), flush=True)
assert nested == [{2}, {1}, {1}, {2}]
assert crossed == [{2}, {1}, {2}, {1}] and blas() == {1}, "the number of threads is put back now"
left = searches()
print("two searches, after both:", left, flush=True)
assert left == {1}, "searches put the number of threads back now"
start_with_two()
threadpool_limits(limits=2, user_api="blas")
owned = fits(("first", "second"))
print("  the second fit ends last, the main thread has set the number:", *owned)
assert owned == [{2}] * 4, "the main thread does not keep others from changing the number now"
PYTHON
