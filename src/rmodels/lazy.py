"""Names of packages that are imported when they are first used.

scikit-learn takes a second to load, and what a program does first is not to take time.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial

from rmodels.catalogue import CATALOGUE

__all__ = ["homes_of_family", "import_name", "names_of_family"]


def import_name(package: str, homes: Mapping[str, str], name: str) -> object:
    """Return what a package calls by a name, which is from then on in its namespace.

    Parameters
    ----------
    package : str
    homes : mapping of str
        The modules that the names are imported from; of modules in the package, the package.
    name : str

    Raises
    ------
    AttributeError
        If the package does not have it.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    if homes[name] == package:
        return importlib.import_module(f"{package}.{name}")
    value: object = getattr(importlib.import_module(homes[name]), name)
    setattr(sys.modules[package], name, value)
    return value


def homes_of_family(package: str) -> dict[str, str]:
    """Return the modules in the folder of a family that the names of its catalogue are in."""
    entries = (entry for entry in CATALOGUE.values() if entry.module == package)
    return {entry.name: f"{package}.{entry.file}" for entry in entries}


def names_of_family(
    package: str,
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """Return `__all__`, `__getattr__` and `__dir__` of the folder of a family."""
    homes = homes_of_family(package)
    return sorted(homes), partial(import_name, package, homes), partial(sorted, homes)
