"""Linear regression and nearest neighbours built from scratch."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rmodels import plot
    from rmodels.config import config_context, get_config, set_config
    from rmodels.data.scan import scan
    from rmodels.files import load, save
    from rmodels.linear_model import LinearRegression, Ridge, RidgeCV
    from rmodels.neighbors import (
        KNeighborsClassifier,
        KNeighborsRegressor,
        KNeighborsTransformer,
        NearestNeighbors,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
        RadiusNeighborsTransformer,
        kneighbors_graph,
        radius_neighbors_graph,
    )
    from rmodels.patch import patch_sklearn, patched, unpatch_sklearn
    from rmodels.versions import show_versions

__all__ = [
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "KNeighborsTransformer",
    "LinearRegression",
    "NearestNeighbors",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "Ridge",
    "RidgeCV",
    "config_context",
    "get_config",
    "kneighbors_graph",
    "load",
    "patch_sklearn",
    "patched",
    "plot",
    "radius_neighbors_graph",
    "save",
    "scan",
    "set_config",
    "show_versions",
    "unpatch_sklearn",
]

_HOMES = {
    "KNeighborsClassifier": "rmodels.neighbors",
    "KNeighborsRegressor": "rmodels.neighbors",
    "KNeighborsTransformer": "rmodels.neighbors",
    "LinearRegression": "rmodels.linear_model",
    "NearestNeighbors": "rmodels.neighbors",
    "RadiusNeighborsClassifier": "rmodels.neighbors",
    "RadiusNeighborsRegressor": "rmodels.neighbors",
    "RadiusNeighborsTransformer": "rmodels.neighbors",
    "Ridge": "rmodels.linear_model",
    "RidgeCV": "rmodels.linear_model",
    "config_context": "rmodels.config",
    "get_config": "rmodels.config",
    "load": "rmodels.files",
    "save": "rmodels.files",
    "kneighbors_graph": "rmodels.neighbors",
    "patch_sklearn": "rmodels.patch",
    "patched": "rmodels.patch",
    "radius_neighbors_graph": "rmodels.neighbors",
    "scan": "rmodels.data.scan",
    "set_config": "rmodels.config",
    "show_versions": "rmodels.versions",
    "unpatch_sklearn": "rmodels.patch",
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
