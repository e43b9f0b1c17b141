"""Packages that only some features need."""

import importlib
import sys
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str, package: str = "rmodels") -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        The module, such as "pyarrow.csv".
    extra : str
        The optional dependencies that hold it.
    package : str
        Whose they are, as pip names it.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is not installed; the message says what to install.
    """
    if sys.modules.get(module) is not None:
        return importlib.import_module(module)  # soon: some ask for each column of each batch
    needed = module.partition(".")[0]
    try:
        importlib.import_module(needed)
    except ModuleNotFoundError as error:
        if error.name != needed:
            raise
        raise ImportError(
            f"this needs {needed}, which is not installed: pip install '{package}[{extra}]'",
            name=needed,
        ) from None
    return importlib.import_module(module)
