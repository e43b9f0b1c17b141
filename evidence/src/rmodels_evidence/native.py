"""The compiled extension of the measurements: as that of rmodels, one module an instruction set."""

import importlib
import importlib.util
from types import ModuleType

from rmodels.native import in_use

__all__ = ["ABSENT", "load"]

ABSENT = "rmodels-evidence was installed without its compiled extension (RMODELS_BUILD=pure)"


def load() -> ModuleType | None:
    """Return the module for the instruction set that rmodels uses, or None if there is none."""
    chosen = in_use()
    name = f"{__package__}._{chosen}"
    if chosen is None or importlib.util.find_spec(name) is None:
        return None
    return importlib.import_module(name)
