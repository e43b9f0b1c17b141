"""Test and measure the GPU engine on a machine that has a GPU, and neither network nor pip.

    python3 tests/on_a_gpu.py FOLDER [--limit SECONDS] [--rehearse]

Needs a checkout, Python 3.11, NumPy, SciPy, scikit-learn, PyTorch and Triton. All else is brought
along: `make gpu-kit` makes `build/gpu-kit`, with Python packages and the native engine. Without
it, the packages must be there, and the native engine is built if CMake, nanobind and a compiler
are. What is there is printed first. Then come the tests of the GPU engine, and `rmodels bench
--suite gpu`; each writes to FOLDER as it goes, and is stopped when its share of the time is spent.
The tests that ran are counted, and what was left out is named, which no test of the GPU may be.

--rehearse does the same on little, in Triton's interpreter where TRITON_INTERPRET=1.
"""

import argparse
import ast
import importlib.util
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
KIT = ROOT / "build" / "gpu-kit"
PACKAGES = KIT / sys.implementation.cache_tag  # those for this Python

REQUIRED = (
    *("numpy", "scipy", "sklearn", "threadpoolctl", "torch", "triton"),  # of the machine
    # brought along, if it has none
    *("click", "hypothesis", "pandas", "pytest", "pytest_timeout", "rich", "statsmodels"),
)
OPTIONAL = ("xdist", "faiss", "cuml", "flash_kmeans")

# Those of the operations first.
FIRST = ("ops/test_gpu_accumulation.py", "ops/test_gpu.py", "ops", "data/test_tensors.py", ".")
SHORT = ("ops/test_gpu_accumulation.py", "ops/test_gpu_launches.py", "ops/test_mahalanobis.py")
LEFT_OUT = {
    "ops/test_gpu_compiled.py": "that kernels compile is known without a GPU",
    "conformance": "tests of scikit-learn, with data on the processor",
}
# What is in a file that holds tests of the GPU: their mark, or a fixture that gives it.
OF_GPU = re.compile(r"mark\.gpu\b|\bon_engine\b|def test\w*\([^)]*\bengine\b")
# A test's line of pytest -v, by pytest-xdist and without.
RAN = re.compile(
    r"^\[gw\d+\] \[ *\d+%\] ([A-Z]+) (\S+?\.py)::|^(\S+?\.py)::.* ([A-Z]+) +\[ *\d+%\]$"
)
SHARE = 0.5  # of the time, which the tests may take
GRACE = 15.0  # seconds from the wish to stop until the end


def imports(path):
    """Return the packages that a file imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def needs(path):
    """Return the packages that a file imports, and those of the files beside it or shared."""
    folders = (TESTS / "shared", path.parent)
    beside = {each.stem: each for folder in folders for each in folder.glob("*.py")}
    found, files = set(), [path]
    for file in files:
        for name in imports(file) - found:
            found.add(name)
            files += [beside[name]] if name in beside else []
    return found - beside.keys()


def missing(path):
    """Return what a file needs and is not there."""
    return sorted(name for name in needs(path) if importlib.util.find_spec(name) is None)


def print_lacking():
    """Print the tests that could not be imported, each with what it lacks."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if lacking := missing(path):
            print(f"{path.relative_to(TESTS)}: {', '.join(lacking)}")


def count(lines):
    """Return, in words, how many tests of how many files ran by what pytest -v printed."""
    found = [match.groups() for match in map(RAN.match, lines) if match]
    outcomes = Counter(first or last for first, _, _, last in found)
    files = {one or other for _, one, other, _ in found}
    each = ", ".join(f"{number} {outcome.lower()}" for outcome, number in outcomes.most_common())
    return f"{len(found)} tests in {len(files)} files{': ' if each else ''}{each}"


class Run:
    """Steps that share an amount of time, and write to files in a folder."""

    def __init__(self, folder, limit):
        self.folder, self.limit, self.began = folder, limit, time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self.lines, self.failed = [], False

    def say(self, text):
        """Print a line, and keep it in the file summary.txt."""
        self.lines.append(text)
        (self.folder / "summary.txt").write_text("\n".join([*self.lines, ""]), "utf-8")
        print(text, flush=True)

    def left(self, share=1.0):
        """Return the seconds until a share of the time is spent, the grace left out."""
        return share * self.limit - GRACE - (time.monotonic() - self.began)

    def step(self, name, command, environment, share=1.0):
        """Run a command until a share of the time is spent; return whether it succeeded."""
        began, log = time.monotonic(), self.folder / f"{name}.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=environment, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
            stopped = ""
            try:
                process.wait(max(0.1, self.left(share)))
            except subprocess.TimeoutExpired:
                stopped = ", stopped as its time was spent"
                os.killpg(process.pid, signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE - 3)
            finally:
                end(process)
        seconds = time.monotonic() - began
        self.say(f"{name}: exit status {process.returncode}{stopped}, {seconds:.0f} s, in {log}")
        succeeded = process.returncode == 0
        self.failed |= not succeeded
        return succeeded


def end(process):
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def output(command, **options):
    """Return what a command prints, or why it does not."""
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=240, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return (found.stdout + found.stderr).strip()


VERSION = """
import importlib, importlib.metadata, sys
homes = importlib.metadata.packages_distributions()
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        print("", name, "-", f"{type(error).__name__}: {error}".partition(chr(10))[0], sep="|")
        continue
    found = getattr(module, "__version__", None)
    if found is None:
        found = next(map(importlib.metadata.version, homes.get(name, [])), "of unknown version")
    print("", name, "+", found, sep="|")
"""


def look(run, environment):
    """Say what is there; return the packages of ours and others' that can be imported."""
    run.say(f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} processors")
    run.say(f"Python {platform.python_version()}: {sys.executable}")
    brought = PACKAGES if PACKAGES.exists() else f"none for {PACKAGES.name} (make gpu-kit)"
    run.say(f"packages brought along: {brought}")
    query = "--query-gpu=name,driver_version,memory.total"
    run.say(f"GPU: {output(['nvidia-smi', query, '--format=csv,noheader'])}")
    names = (*REQUIRED, *OPTIONAL)
    found = output([sys.executable, "-c", VERSION, *names], env=environment)
    there = set()
    for line in filter(re.compile(r"\|\w+\|").match, found.splitlines()):  # others warn
        _, name, sign, what = line.split("|", 3)
        run.say(f"  {name}{' ' if sign == '+' else ': '}{what}")
        there |= {name} if sign == "+" else set()
    if not there:
        run.say(found)
    return there


def lay_out(site):
    """Make a folder to import from: our sources, and what pip would have written of them."""
    unbuilt = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "src" / "rmodels", site / "rmodels", ignore=unbuilt)
    evidence = ROOT / "evidence"
    shutil.copytree(
        evidence / "src" / "rmodels_evidence", site / "rmodels_evidence", ignore=unbuilt
    )
    project = tomllib.loads((evidence / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"]["rmodels.commands"]
    text = (ROOT / "src" / "rmodels" / "__init__.py").read_text("utf-8")
    version = re.search(r'^__version__ = "(.*)"$', text, re.MULTILINE)[1]
    for name in ("rmodels", "rmodels_evidence"):
        about = site / f"{name}-{version}.dist-info"
        about.mkdir()
        lines = "Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", ""
        (about / "METADATA").write_text("\n".join(lines), "utf-8")
    lines = ["[rmodels.commands]", *(f"{name} = {module}" for name, module in points.items()), ""]
    (about / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    (site / "sitecustomize.py").write_text(FOUND_HERE, "utf-8")


# An editable install, of another checkout too, is found by a finder of its own, before any path.
FOUND_HERE = """
import sys
from importlib.machinery import PathFinder
sys.meta_path[:] = [
    finder
    for finder in sys.meta_path
    if finder is PathFinder
    or not any(finder.find_spec(name, None) for name in ("rmodels", "rmodels_evidence"))
]
"""


def elsewhere(site, environment):
    """Return the packages of ours that would be imported from elsewhere, with their places."""
    found = []
    for name in ("rmodels", "rmodels_evidence"):
        where = output([sys.executable, "-c", f"import {name} as it; print(it.__file__)"],
                       env=environment)  # fmt: skip
        if where != str(site / name / "__init__.py"):
            found.append(f"{name}: {where}")
    return found


def bring_the_engine(run, site, environment, scratch):
    """Put the native engine there: what was brought along or is installed, else what is built."""
    there = site / "rmodels" / "native"
    question = "from rmodels import native; native.load(); print(*native.instruction_sets())"
    ask = [sys.executable, "-c", question]
    installed = output(
        [sys.executable, "-c", "from rmodels import native; print(*native.__path__)"]
    )
    places = [] if "Error" in installed else map(Path, installed.split())
    for place in (KIT / "native", *places):
        for each in place.glob("*.so"):
            shutil.copy(each, there)
        if not list(there.glob("*.so")):
            continue
        found = output(ask, env=environment)
        if "Error" not in found:
            run.say(f"native engine: of {place}, {found}")
            return
        run.say(f"native engine: that of {place} does not load: {found[-300:]}")
        for each in there.glob("*.so"):
            each.unlink()
    if shutil.which("cmake") and (shutil.which("c++") or shutil.which("g++")):
        steps = (
            ["cmake", "-S", ROOT, "-B", scratch, f"-DPython_EXECUTABLE={sys.executable}"],
            ["cmake", "--build", scratch, "--parallel", os.cpu_count()],
            ["cmake", "--install", scratch, "--prefix", site],
        )
        both = " && ".join(shlex.join(map(str, step)) for step in steps)
        if run.step("build", ["sh", "-c", both], environment, share=0.4):
            run.say(f"native engine: built here, {output(ask, env=environment)}")
            return
        run.failed = False
    run.say("native engine: none; on the processor the reference engine stands in for it")


def main():
    """Look, test, measure; exit with 1 if something failed or was stopped, 2 if it cannot start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where results are written")
    parser.add_argument("--limit", type=float, default=570.0, metavar="SECONDS")
    parser.add_argument("--rehearse", action="store_true", help="little, by the interpreter too")
    arguments = parser.parse_args()
    run = Run(arguments.folder.resolve(), arguments.limit)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if interpreted and not arguments.rehearse:
        sys.exit("TRITON_INTERPRET=1, which is far too slow for all: add --rehearse")
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch, "site")
        folders = [str(each) for each in (site, PACKAGES, TESTS)]
        environment = (
            os.environ
            | {
                "PYTHONPATH": os.pathsep.join(
                    [*folders, *filter(None, [os.environ.get("PYTHONPATH")])]
                ),
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "TRITON_CACHE_DIR": str(Path(scratch, "triton")),
            }
            | ({"OMP_NUM_THREADS": "1"} if interpreted else {})
        )
        there = look(run, environment)
        if lacking := [each for each in REQUIRED if each not in there]:
            run.say(f"cannot start without {', '.join(lacking)}")
            sys.exit(2)
        lay_out(site)
        if found := elsewhere(site, environment):
            run.say(f"cannot start: not the packages of this checkout: {'; '.join(found)}")
            sys.exit(2)
        bring_the_engine(run, site, environment, Path(scratch, "build"))
        reason = "from rmodels.ops import unavailable; print(unavailable('gpu') or '')"
        if why := output([sys.executable, "-c", reason], env=environment):
            run.say(f"cannot start: {why}")
            sys.exit(2)
        tests = SHORT if arguments.rehearse else FIRST
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-W", "default", "-v"]
        command += ["-p", "no:cacheprovider"]
        if "xdist" in there:
            command += ["-n", str(min(8, os.cpu_count() or 1))]
        for each, reason in LEFT_OUT.items():
            run.say(f"left out: {each}: {reason}")
            command.append(f"--ignore={TESTS / each}")
        ask = [sys.executable, "-c", "import on_a_gpu; on_a_gpu.print_lacking()"]
        for line in output(ask, env=environment).splitlines():
            path = TESTS / line.partition(":")[0]
            run.say(f"left out, for what it imports: {line}")
            command.append(f"--ignore={path}")
            if OF_GPU.search(path.read_text("utf-8")):
                run.failed = True
                run.say("  which has tests of the GPU: this run fails")
        run.step("tests", [*command, *(str(TESTS / each) for each in tests)], environment, SHARE)
        run.say(f"  {count((run.folder / 'tests.txt').read_text('utf-8', 'replace').splitlines())}")
        bench = [sys.executable, "-m", "rmodels", "bench", "--suite", "gpu"]
        bench += ["--json", str(run.folder / "bench.json"), *["--rehearse"] * arguments.rehearse]
        run.step("bench", bench, environment)
        for name, lines in (("tests", 25), ("bench", 200)):
            text = (run.folder / f"{name}.txt").read_text("utf-8", "replace").splitlines()
            print(f"\n== the end of {name}.txt", *text[-lines:], sep="\n")
    sys.exit(run.failed)


if __name__ == "__main__":
    main()
