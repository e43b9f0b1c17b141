"""What this installation is and what it runs on."""

import importlib.metadata
import platform
import sys

import rmodels
from rmodels import native, ops
from rmodels.config import get_config, thread_count

__all__ = ["show_versions"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "joblib", "pandas", "polars", "torch", "triton")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


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
    extension = native.load()
    usable = ", ".join(native.instruction_sets()) or "none"
    lines = {
        "rmodels": rmodels.__version__,
        "engine": f"{get_config()['engine']} (moments: {ops.choose('moments')}, "
        f"descent: {ops.choose('descent')}, nearest: {ops.choose('nearest')})",
        "instruction set": (
            native.ABSENT
            if extension is None
            else f"{extension.__name__.rpartition('._')[2]} (usable: {usable})"
        ),
        "threads": str(thread_count()),
        "GPU": ops.unavailable("gpu") or "usable",
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}",
    }
    lines |= {package: _version(package) for package in _PACKAGES}
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:>{width}}: {value}")
