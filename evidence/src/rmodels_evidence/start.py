"""How large the package is, and how soon a program has it: `python -m rmodels_evidence.start`.

Programs run in processes of their own, in turns, so that all meet the same machine. Times are
medians: of the processor, which other programs hardly touch, and by the clock.
"""

import importlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from rmodels_evidence.machine import describe_machine
from rmodels_evidence.table import Table, print_tables

__all__ = ["PROGRAMS", "installed_size", "main", "measure_starts"]

_VERSIONS = ("rmodels", "python", "numpy", "scipy", "scikit-learn")
_FIT = (
    "import numpy as np; X = np.arange(300.0).reshape(100, 3) % 7; "
    "from {0} import {1}; {1}().fit(X, X[:, 0]{2}).predict(X)"
)
# By what they do and whose they are.
PROGRAMS = {
    ("start Python", ""): "pass",
    ("import NumPy", ""): "import numpy",
    ("import the package", "rmodels"): "import rmodels",
    ("import the package", "scikit-learn"): "import sklearn",
    ("fit and predict a LinearRegression", "rmodels"): _FIT.format(
        "rmodels", "LinearRegression", ""
    ),
    ("fit and predict a LinearRegression", "scikit-learn"): _FIT.format(
        "sklearn.linear_model", "LinearRegression", ""
    ),
    ("fit and predict a KNeighborsClassifier", "rmodels"): _FIT.format(
        "rmodels", "KNeighborsClassifier", " > 3"
    ),
    ("fit and predict a KNeighborsClassifier", "scikit-learn"): _FIT.format(
        "sklearn.neighbors", "KNeighborsClassifier", " > 3"
    ),
}


def measure_starts(
    programs: dict[tuple[str, str], str], rounds: int
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the median seconds of programs, of the processor and by the clock.

    Parameters
    ----------
    programs : dict
        Python's, by any key.
    rounds : int
        Each runs as often, after once without being measured.
    """
    found: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in programs}
    for turn in range(rounds + 1):
        for key, program in programs.items():
            began = time.perf_counter()
            process = subprocess.Popen([sys.executable, "-c", program])
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"it failed: {program}")
            if turn:
                found[key].append((used.ru_utime + used.ru_stime, seconds))
    return {
        key: (statistics.median(a for a, _ in times), statistics.median(b for _, b in times))
        for key, times in found.items()
    }


def installed_size(module: str) -> int:
    """Return the bytes of a package's files, without what Python compiles of them."""
    folders = map(Path, importlib.import_module(module).__path__)
    return sum(
        path.stat().st_size
        for folder in dict.fromkeys(folders)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )


def main(rounds: int = 15) -> None:
    """Print what was found."""
    machine = describe_machine()
    print(f"{machine.processor}, {machine.cores} processors, {machine.system}")
    print(", ".join(f"{name} {machine.versions[name]}" for name in _VERSIONS))
    sizes = Table("Installed", ("package", "MiB"), left=(0,))
    for module, name in (("rmodels", "rmodels"), ("sklearn", "scikit-learn")):
        sizes.rows.append((name, f"{installed_size(module) / 2**20:.1f}"))
    times = Table(
        f"Starts, medians of {rounds}", ("program", "by", "processor", "clock"), left=(0, 1)
    )
    for (what, whose), (processor, clock) in measure_starts(PROGRAMS, rounds).items():
        cells = (f"{1e3 * seconds:.0f} ms" for seconds in (processor, clock))
        times.rows.append((what, whose, *cells))
    print_tables([sizes, times], sys.stdout)


if __name__ == "__main__":
    main()
