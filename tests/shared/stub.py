"""Write `src/rmodels/__init__.pyi`, which tells type checkers the public names: `make stub`."""

from pathlib import Path

import rmodels

PATH = Path(__file__).parents[2] / "src" / "rmodels" / "__init__.pyi"


def stub():
    """Return what the file must hold."""
    homes = sorted(
        (module, not name.isupper(), name[0].islower(), name.lower(), name)
        for name, module in rmodels._homes().items()
    )  # as lint wants it
    return "\n".join(
        [
            "# Written by `make stub`, from the catalogue.",
            "",
            *(_import(module, name) for module, *_, name in homes),
            "",
            "__all__ = [  # noqa: RUF022",
            *(f'    "{name}",' for name in rmodels.__all__),
            "]",
            "",
            "__version__: str",
            "",
        ]
    )


def _import(module, name):
    line = f"from {module} import {name} as {name}"
    if len(line) <= 100:
        return line
    return f"from {module} import (\n    {name} as {name},\n)"


if __name__ == "__main__":
    PATH.write_text(stub(), "utf-8")
