"""Print the oldest versions that pyproject.toml promises, as constraints for pip.

Of what users have, with and without extras, and of tables beside it; not of the tools of the tests.
Runs in the oldest Python that is promised, or says so.
"""

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("bench", "dask", "files", "plot", "progress", "report", "test")
TOOLS = {"clang-format", "hypothesis", "mypy", "pytest", "pytest-timeout", "pytest-xdist", "ruff"}


def main():
    """Print a line for each requirement."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    project = project["project"]
    floor = re.fullmatch(r">=(\d+)\.(\d+)", project["requires-python"])
    if sys.version_info[:2] != tuple(map(int, floor.groups())):
        here = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"Python {floor[0][2:]} is the oldest promised, and this is {here}: PYTHON=...")
    requirements = set(project["dependencies"])
    for extra in EXTRAS:
        requirements |= set(project["optional-dependencies"][extra])
    for requirement in sorted(requirements):
        name, version = re.fullmatch(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", requirement).groups()
        if name not in TOOLS:
            print(f"{name}=={version}.*")


if __name__ == "__main__":
    main()
