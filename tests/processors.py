"""Run the tests that touch BLAS as on other processors: `python tests/processors.py`.

The wheels of NumPy and of SciPy each carry an OpenBLAS, whose kernels are those of the processor at
hand, or of the one that OPENBLAS_CORETYPE names. As a plugin of pytest (`-p processors`), this file
has both take a number of threads, more than there are cores if need be, and stops unless both
have taken the kernels and the threads that were asked for.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import ThreadpoolController

from rmodels import native

TESTS = Path(__file__).parent

# The tests that touch BLAS, or whose threads meet its own: the one place that lists them.
BLAS = [
    *("base/test_callbacks.py", "cluster", "conformance/test_gallery.py", "data/test_dask.py"),
    *("data/test_everywhere.py", "data/test_scan.py", "decomposition", "discriminant_analysis"),
    *("evidence/test_agreement.py", "evidence/test_demo.py", "evidence/test_validate.py"),
    *("files/test_models.py", "linear_model", "naive_bayes", "native", "neighbors"),
    *("ops/test_conjugate.py", "ops/test_coordinate.py", "ops/test_descent.py"),
    *("ops/test_glm.py", "ops/test_group_moments.py", "ops/test_mahalanobis.py"),
    *("ops/test_moments.py", "ops/test_nearest.py", "ops/test_ordered.py"),
    *("ops/test_sparse_products.py", "shared", "solvers"),
]
SHORT = ["data/test_scan.py", "files/test_models.py", "linear_model", "solvers"]

# What OPENBLAS_CORETYPE may be, and the instruction set that its kernels need.
CORES = {"Prescott": "baseline", "Haswell": "avx2", "Zen": "avx2", "SkylakeX": "avx512"}
# Where a wheel has the same kernels for several processors, OpenBLAS names one of them.
NAMES = {"Prescott": {"Prescott", "Katmai"}, "Zen": {"Zen", "Haswell"}}
THREADS = (1, 2, 3)
BUSY = "while True:\n    pass"


def pytest_configure(config):
    """Set the threads of both libraries, and stop unless they are as asked for."""
    core, threads = os.environ["OPENBLAS_CORETYPE"], int(os.environ["BLAS_THREADS"])
    limits = ThreadpoolController().limit(limits=threads, user_api="blas")
    config.add_cleanup(limits.restore_original_limits)
    found = libraries()
    taken = all(
        name in NAMES.get(core, {core}) and count == threads for name, count in found.values()
    )
    if found.keys() != {"numpy", "scipy"} or not taken:
        raise pytest.UsageError(f"asked for {core} with {threads} threads, got {found}")


def pytest_report_header():
    """Say what BLAS is."""
    return [
        f"{package}'s OpenBLAS: kernels {core}, threads {threads}"
        for package, (core, threads) in sorted(libraries().items())
    ]


def libraries():
    """Return the kernels and threads of each OpenBLAS in use, by the package that carries it."""
    homes = {package.__name__: Path(package.__file__).parent for package in (np, scipy)}
    found = {}
    for library in ThreadpoolController().select(internal_api="openblas").info():
        place = Path(library["filepath"])
        owners = [
            name
            for name, home in homes.items()
            if place.is_relative_to(home) or place.parent == home.with_name(f"{name}.libs")
        ]
        name = owners[0] if owners else str(place)
        found[name] = library["architecture"], library["num_threads"]
    return found


def named(core):
    """Return how both libraries name the kernels of a processor."""
    code = "import processors; print(sorted(name for name, _ in processors.libraries().values()))"
    environment = os.environ | {"OPENBLAS_CORETYPE": core, "PYTHONPATH": str(TESTS)}
    return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)


def settings(short):
    """Return the runs: kernels, threads, instruction set of ours, whether the cores are busy."""
    sets = native.instruction_sets()
    if not {"baseline", "avx2"} <= set(sets):
        sys.exit("this needs the native engine and a processor with AVX2")
    if short:  # what differs most from what a processor of today takes by itself
        return [("Prescott", 3, "baseline", False)]
    cores = {}  # by the name of their kernels: each once
    for core, needed in CORES.items():
        if needed not in sets:
            print(f"{core}: this processor does not run it")
        elif (name := named(core)) in cores:
            print(f"{core}: in these wheels, the kernels are those of {cores[name]}")
        else:
            cores[name] = core
    return [
        *((core, threads, None, False) for core in cores.values() for threads in THREADS),
        *(("Haswell", 2, name, False) for name in ("baseline", "avx2")),
        ("Haswell", 2, None, True),
    ]


def run(core, threads, instruction_set, busy, tests):
    """Run the tests; return pytest's exit status and the line that ends what it prints."""
    environment = os.environ | {
        "OPENBLAS_CORETYPE": core,
        "OMP_NUM_THREADS": str(threads),
        "BLAS_THREADS": str(threads),
        "PYTHONPATH": str(TESTS),
    }
    if instruction_set is not None:
        environment["RMODELS_ISA"] = instruction_set
    command = [sys.executable, "-m", "pytest", "-p", "processors", "-n", "logical", "-r", "fE"]
    with ExitStack() as stack:
        for _ in range(os.cpu_count() if busy else 0):
            other = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
            stack.callback(other.kill)
        started = subprocess.Popen(
            [*command, *(TESTS / test for test in tests)],
            env=environment,
            cwd=TESTS.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        last = ""
        for line in started.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
        return started.wait(), last.strip("= ")


def main():
    """Run the tests on every setting; exit with 1 if a run fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one setting, and fewer tests")
    short = parser.parse_args().short
    lines, failed = [], False
    for core, threads, instruction_set, busy in settings(short):
        title = f"OpenBLAS {core}, {threads} threads, ours {instruction_set or 'best'}"
        title += ", all cores busy" * busy
        print(f"== {title}", flush=True)
        began = time.monotonic()
        status, last = run(core, threads, instruction_set, busy, SHORT if short else BLAS)
        failed |= status != 0
        lines.append(f"{title}: {last} (exit status {status}, {time.monotonic() - began:.0f} s)")
    print("", *lines, sep="\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
