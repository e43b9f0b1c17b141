"""Linear regression and nearest neighbours built from scratch."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rmodels import plot
    from rmodels.config import config_context, get_config, set_config
    from rmodels.files import load, save
    from rmodels.linear_model import LinearRegression
    from rmodels.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
    from rmodels.versions import show_versions

__all__ = [
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "LinearRegression",
    "NearestNeighbors",
    "config_context",
    "get_config",
    "load",
    "plot",
    "save",
    "set_config",
    "show_versions",
]

_HOMES = {
    "KNeighborsClassifier": "rmodels.neighbors",
    "KNeighborsRegressor": "rmodels.neighbors",
    "LinearRegression": "rmodels.linear_model",
    "NearestNeighbors": "rmodels.neighbors",
    "config_context": "rmodels.config",
    "get_config": "rmodels.config",
    "load": "rmodels.files",
    "save": "rmodels.files",
    "set_config": "rmodels.config",
    "show_versions": "rmodels.versions",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: scikit-learn takes a second to load."""
    if name == "plot":
        return importlib.import_module("rmodels.plot")
    if name not in _HOMES:
        raise AttributeError(f"module 'rmodels' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
