"""Operations, and the one place where the engine that serves a call is chosen."""

import importlib
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from rmodels import native
from rmodels.config import current_settings
from rmodels.ops import device

__all__ = ["choose", "implementation", "unavailable"]

# What each operation is written for: declared here, never discovered by failing.
_WRITTEN = {
    "affine": ("reference", "native", "gpu"),
    "assign": ("reference", "native", "gpu"),
    "bins": ("reference", "native", "gpu"),
    "conjugate": ("reference", "native"),
    "connect": ("reference", "native"),
    "moments": ("reference", "native", "gpu"),
    "descent": ("reference", "native", "gpu"),
    "donors": ("reference", "native"),
    "nearest": ("reference", "native", "gpu"),
    "coordinate": ("reference", "native"),
    "glm": ("reference", "native", "gpu"),
    "kernel_sums": ("reference", "native"),
    "hierarchy": ("reference", "native"),
    "mahalanobis": ("reference", "native", "gpu"),
    "ordered": ("reference", "native"),
    "span": ("reference", "native"),
}


def unavailable(engine: str) -> str | None:
    """Return why an engine cannot run in this process, or None if it can."""
    if engine == "native" and native.load() is None:
        return native.ABSENT
    if engine == "gpu":
        return device.unavailable()
    return None


def choose(operation: str, engine: str | None = None, *arrays: Any) -> str:
    """Return the name of the engine that serves a call.

    Parameters
    ----------
    operation : str
        One of "affine", "assign", "bins", "conjugate", "connect", "moments", "descent", "donors",
        "nearest", "coordinate", "glm", "kernel_sums", "hierarchy", "mahalanobis", "ordered" and
        "span".
    engine : {"auto", "reference", "native", "gpu"} or None
        None means the setting `engine` of `rmodels.set_config`.
    *arrays : ndarray, tensor or None
        The call's data.

    Returns
    -------
    str
        "reference", "native" or "gpu". "auto" gives the fastest that can run where the data is:
        the GPU for tensors on it, the processor otherwise.

    Raises
    ------
    RuntimeError
        If the engine asked for by name, or the only one that can run where the data is, cannot
        run; the message says why.

    Examples
    --------
    >>> from rmodels import ops
    >>> ops.choose("moments", "reference")
    'reference'
    """
    asked: str = current_settings()["engine"] if engine is None else engine
    there = False
    for each in arrays:  # takes half of what any() of a generator takes
        there = there or (type(each) is not np.ndarray and device.holds(each))
    if asked == "auto":
        if not there:
            return "native" if native.load() is not None else "reference"
        asked = "gpu"
    if there and asked != "gpu":
        raise RuntimeError(f"engine={asked!r} cannot run: the data is on the GPU")
    reason = unavailable(asked)
    if reason is None and asked not in _WRITTEN[operation]:
        reason = f"the operation {operation} has no {asked} implementation"
    if reason is not None:
        raise RuntimeError(f"engine={asked!r} cannot run: {reason}")
    return asked


@cache
def implementation(operation: str, engine: str) -> ModuleType:
    """Return the module that implements an operation on an engine that `choose` named."""
    return importlib.import_module(f"rmodels.ops.{operation}.{engine}")
