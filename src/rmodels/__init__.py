"""Machine-learning algorithms built from scratch."""

import importlib
from typing import Any

from rmodels.catalogue import CATALOGUE

__version__ = "0.1.0"

# Where the public names are; type checkers read them in __init__.pyi, which `make stub` writes.
_HOMES = {entry.name: entry.module for entry in CATALOGUE.values()} | {
    "config_context": "rmodels.config",
    "get_config": "rmodels.config",
    "load": "rmodels.files",
    "patch_sklearn": "rmodels.patch",
    "patched": "rmodels.patch",
    "plot": "rmodels",  # a module
    "save": "rmodels.files",
    "scan": "rmodels.data.scan",
    "set_config": "rmodels.config",
    "show_versions": "rmodels.versions",
    "unpatch_sklearn": "rmodels.patch",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: scikit-learn takes a second to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rmodels' has no attribute {name!r}")
    if _HOMES[name] == "rmodels":
        return importlib.import_module(f"rmodels.{name}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
