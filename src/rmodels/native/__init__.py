"""The compiled extension: which instruction set this process uses, and why it may be absent."""

import importlib
import importlib.util
import os
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["ABSENT", "in_use", "instruction_sets", "load"]

# Fastest first. Every module holds the same functions.
_SETS = ("avx512", "avx2", "baseline", "neon")

# What is behind `os.environ`, which itself takes a good part of a small call to look a name up.
_VARIABLE = "RMODELS_ISA"
_environment: Any = getattr(os.environ, "_data", os.environ)
_key: Any = _VARIABLE if _environment is os.environ else os.environ.encodekey(_VARIABLE)

ABSENT = (
    "rmodels was installed without its compiled extension (RMODELS_BUILD=pure); "
    "reinstall it with a C++ compiler at hand to get the native engine"
)


@cache
def _find_built() -> tuple[str, ...]:
    return tuple(
        name for name in _SETS if importlib.util.find_spec(f"{__name__}._{name}") is not None
    )


@cache
def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets that are built and that this processor runs, fastest first."""
    built = _find_built()
    if not built:
        return ()
    supported = importlib.import_module(f"{__name__}._{built[-1]}").supported_sets()
    return tuple(name for name in built if name in supported)


@cache
def _load(asked: str | bytes | None) -> ModuleType | None:
    usable = instruction_sets()
    if not usable:
        return None
    forced = os.fsdecode(asked or usable[0])
    if forced not in usable:
        raise ValueError(
            f"{_VARIABLE}={forced!r} cannot be used here: choose one of {', '.join(usable)}"
        )
    return importlib.import_module(f"{__name__}._{forced}")


def load() -> ModuleType | None:
    """Return the extension module for the best instruction set, or for RMODELS_ISA if it is set.

    Returns
    -------
    module or None
        None when the package was built without the extension.

    Raises
    ------
    ValueError
        If RMODELS_ISA names a set that is not built, or that the processor does not run.
    ImportError
        If the extension is there and does not load.
    """
    return _load(_environment.get(_key))


def in_use() -> str | None:
    """Return the instruction set of what `load` returns; None without the extension."""
    extension = load()
    return None if extension is None else extension.__name__.rpartition("._")[2]
