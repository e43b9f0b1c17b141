"""What this installation is and what it runs on."""

import importlib.metadata
import platform
import sys
from collections.abc import Callable

import rmodels
from rmodels import native, ops
from rmodels.config import get_config, thread_count

__all__ = ["show_versions"]

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "threadpoolctl",
    "click",
    "joblib",
    "pandas",
    "polars",
    "pyarrow",
    "safetensors",
    "dask",
    "distributed",
    "onnx",
    "skl2onnx",
    "torch",
    "triton",
)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _engines() -> str:
    chosen = (f"{name}: {ops.choose(name)}" for name in ("moments", "descent", "nearest"))
    return f"{get_config()['engine']} ({', '.join(chosen)})"


def _instruction_set() -> str:
    extension = native.load()
    if extension is None:
        return native.ABSENT
    usable = ", ".join(native.instruction_sets())
    return f"{extension.__name__.rpartition('._')[2]} (usable: {usable})"


def _ask(find: Callable[[], str]) -> str:
    """Return what there is or, if what is asked for cannot be had, the reason."""
    try:
        return find()
    except (RuntimeError, ValueError) as error:
        return str(error)


def show_versions() -> None:
    """Print engines, instruction sets, threads, GPU and versions, for a report of a problem.

    Examples
    --------
    >>> import rmodels
    >>> rmodels.show_versions()  # doctest: +ELLIPSIS
            rmodels: ...
             engine: ...
    instruction set: ...
            threads: ...
    ...
    """
    lines = {
        "rmodels": rmodels.__version__,
        "engine": _ask(_engines),
        "instruction set": _ask(_instruction_set),
        "threads": _ask(lambda: str(thread_count())),
        "GPU": ops.unavailable("gpu") or "usable",
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}",
    }
    lines |= {package: _version(package) for package in _PACKAGES}
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:>{width}}: {value}")
