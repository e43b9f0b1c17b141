"""Write the `__init__.pyi` that tell type checkers the public names: `make stub`."""

from pathlib import Path

import rmodels
from rmodels.catalogue import FAMILIES
from rmodels.lazy import homes_of_family

SOURCE = Path(__file__).parents[2] / "src" / "rmodels"


def stubs():
    """Return what the files must hold, by their paths."""
    found = {SOURCE / "__init__.pyi": [*_lines(rmodels._homes()), "__version__: str", ""]}
    for family in FAMILIES:
        found[SOURCE / family / "__init__.pyi"] = _lines(homes_of_family(f"rmodels.{family}"))
    return found


def _lines(homes):
    ordered = sorted(
        (module, *_rank(name)[:2], name.lower(), name) for name, module in homes.items()
    )
    return [
        "# Written by `make stub`, from the catalogue.",
        "",
        *(_import(module, name) for module, *_, name in ordered),
        "",
        "__all__ = [",
        *(f'    "{name}",' for name in sorted(homes, key=_rank)),
        "]",
        "",
    ]


def _rank(name):
    """Return what names are sorted by, as lint wants it: constants, classes, functions."""
    return not name.isupper(), name[0].islower(), name


def _import(module, name):
    line = f"from {module} import {name} as {name}"
    if len(line) <= 100:
        return line
    return f"from {module} import (\n    {name} as {name},\n)"


if __name__ == "__main__":
    for path, lines in stubs().items():
        path.write_text("\n".join(lines), "utf-8")
