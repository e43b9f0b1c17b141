#!/usr/bin/env bash
# NumPy 2.4.6 (OpenBLAS 0.3.31): after a product on several threads, all of them but the caller's keep a core
# busy, if nobody else wants it, for 2^28 ticks of the processor's clock: 103 ms at 2.6 GHz. What a good engineer
# would guess: the threads sleep, or spin for some microseconds; OpenBLAS's own default was 2^26 ticks. What
# happens: whatever comes next, for a tenth of a second, finds a core taken: a benchmark whose contenders take
# turns with pauses of 30 ms measures the one before, and SciPy, which brings threads of its own, waits for
# NumPy's. It needs a machine at rest: on a busy one the threads give way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'numpy==2.4.6'
"$folder/venv/bin/python" - <<'PYTHON'
import os
import time

import numpy as np

if len(os.sched_getaffinity(0)) < 2:
    raise SystemExit("it needs two cores, at rest")
A = np.random.default_rng(0).standard_normal((1500, 1500))
spins = []
for _ in range(5):
    A @ A
    begin = time.process_time()
    time.sleep(0.3)
    spins.append(1000 * (time.process_time() - begin))
print("NumPy", np.__version__, "milliseconds of processor time in 300 ms of sleep:", np.round(spins))
assert np.median(spins) > 40, "the threads rest sooner now"
PYTHON
