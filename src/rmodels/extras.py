"""Packages that only some features need."""

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        The module, such as "pyarrow.csv".
    extra : str
        The optional dependencies of rmodels that hold it.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is not installed; the message says what to install.
    """
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(
            f"this needs {package}, which is not installed: pip install 'rmodels[{extra}]'",
            name=package,
        ) from None
    return importlib.import_module(module)
