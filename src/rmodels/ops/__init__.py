"""Operations, and the one place where the engine that serves a call is chosen."""

import importlib
from types import ModuleType

from rmodels import native
from rmodels.config import get_config

__all__ = ["choose", "implementation", "unavailable"]

# What each operation is written for: declared here, never discovered by failing.
_WRITTEN = {
    "moments": ("reference", "native"),
    "descent": ("reference", "native"),
    "nearest": ("reference", "native"),
}


def unavailable(engine: str) -> str | None:
    """Return why an engine cannot run in this process, or None if it can."""
    if engine == "native" and native.load() is None:
        return native.ABSENT
    if engine == "gpu":
        return "no operation has a GPU implementation in this version"
    return None


def choose(operation: str, engine: str | None = None) -> str:
    """Return the name of the engine that serves a call.

    Parameters
    ----------
    operation : {"moments", "descent", "nearest"}
    engine : {"auto", "reference", "native", "gpu"} or None
        None means the setting `engine` of `rmodels.set_config`.

    Returns
    -------
    str
        "reference", "native" or "gpu". "auto" gives the fastest that can run here.

    Raises
    ------
    RuntimeError
        If the engine asked for by name cannot run; the message says why.
    """
    asked: str = get_config()["engine"] if engine is None else engine
    if asked == "auto":
        return "native" if native.load() is not None else "reference"
    reason = unavailable(asked)
    if reason is None and asked not in _WRITTEN[operation]:
        reason = f"the operation {operation} has no {asked} implementation"
    if reason is not None:
        raise RuntimeError(f"engine={asked!r} cannot run: {reason}")
    return asked


def implementation(operation: str, engine: str) -> ModuleType:
    """Return the module that implements an operation on an engine that `choose` named."""
    return importlib.import_module(f"rmodels.ops.{operation}.{engine}")
