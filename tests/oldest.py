"""Print the oldest versions that are promised, as constraints for pip: oldest.py [REQUIREMENT]...

Of what pyproject.toml requires, with and without extras, and of the requirements that are given,
the tools of the build; not of the tools of the tests. Runs in the oldest Python that is promised,
or says so.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Extras whose oldest versions no test installs. Each has its reason in CONTRIBUTING.md.
LEFT_OUT = {"cluster-peers", "docs", "gpu-test", "lasso-peers", "peers", "s3-test"}
TOOLS = {
    *("check-jsonschema", "clang-format", "hypothesis", "import-linter", "mypy", "pytest"),
    *("pytest-timeout", "pytest-xdist", "ruff", "zizmor"),
}


def main():
    """Print a line for each requirement."""
    requirements = set(sys.argv[1:])
    for folder in (ROOT, ROOT / "evidence"):
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        floor = re.fullmatch(r">=(\d+)\.(\d+)", project["requires-python"])
        if sys.version_info[:2] != tuple(map(int, floor.groups())):
            here = ".".join(map(str, sys.version_info[:2]))
            sys.exit(f"Python {floor[0][2:]} is the oldest promised, this is {here}: set PYTHON")
        requirements |= set(project.get("dependencies", []))
        for name, extra in project["optional-dependencies"].items():
            requirements |= set(() if name in LEFT_OUT else extra)
    for requirement in sorted(requirements):
        name, version = re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)(?:;|$)", requirement).groups()
        if name not in TOOLS:
            print(f"{name}=={version}.*")
    print("pyparsing<3.3")  # which warns of names that Matplotlib 3.9 uses


if __name__ == "__main__":
    main()
