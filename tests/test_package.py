"""The package as it is installed."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rmodels
from rmodels import native, ops
from rmodels.cli import main

ROOT = Path(__file__).parents[1]


def test_version_has_one_source(capsys):
    assert rmodels.__version__ == importlib.metadata.version("rmodels")
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"rmodels {rmodels.__version__}\n"


def test_public_names():
    for name in rmodels.__all__:
        assert getattr(rmodels, name).__doc__
    assert set(rmodels.__all__) <= set(dir(rmodels))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        rmodels.nonsense  # noqa: B018


def test_import_is_light():
    code = (
        "import sys, rmodels; heavy = {'sklearn', 'scipy', 'pandas', 'torch', 'rich', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_show_versions(capsys):
    assert main(["versions"]) == 0
    printed = capsys.readouterr().out
    for word in (rmodels.__version__, "engine", "instruction set", "threads", "GPU", "numpy"):
        assert word in printed


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RMODELS_ENGINE", "gpu", "         engine: engine='gpu' cannot run: "),
        ("RMODELS_ENGINE", "abacus", "must be one of auto, reference, native, gpu; got 'abacus'"),
        ("RMODELS_ISA", "mmx", "instruction set: RMODELS_ISA='mmx' cannot be used here"),
    ],
)
def test_versions_say_what_cannot_be_had(variable, value, said):
    if value == "gpu" and ops.unavailable("gpu") is None:
        pytest.skip("there is a GPU")
    if variable == "RMODELS_ISA" and native.load() is None:
        pytest.skip("built without the native engine")
    run = subprocess.run(
        [sys.executable, "-m", "rmodels", "versions"],
        env=os.environ | {variable: value},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert said in run.stdout
    assert f"rmodels: {rmodels.__version__}" in run.stdout
    assert "numpy: " in run.stdout


def wheel(name):
    """Return a wheel that `make build/pure` builds on purpose without the extension."""
    wheels = list((ROOT / "build" / "pure").glob(f"{name}-*.whl"))
    if not wheels:
        pytest.skip("no wheel to look into: make build/pure")
    (found,) = wheels
    return found


@pytest.fixture
def pure_wheel():
    return wheel("rmodels")


def test_wheel_holds_the_package_alone(pure_wheel):
    names = zipfile.ZipFile(pure_wheel).namelist()
    folders = {name.partition("/")[0] for name in names}
    assert folders == {"rmodels", f"rmodels-{rmodels.__version__}.dist-info"}
    for name in ("ops/moments/reference.py", "__init__.pyi", "py.typed"):
        assert f"rmodels/{name}" in names
    assert not [name for name in names if name.startswith("tests") or "/test_" in name]
    assert not [name for name in names if name.endswith((".cpp", ".hpp", ".so"))]
    assert pure_wheel.name.endswith("-py3-none-any.whl")


def test_evidence_is_another_wheel_of_the_same_version():
    beside = wheel("rmodels_evidence")
    files = zipfile.ZipFile(beside)
    assert beside.name == f"rmodels_evidence-{rmodels.__version__}-py3-none-any.whl"
    assert "rmodels_evidence/report.html.j2" in files.namelist()
    assert "rmodels_evidence/families/neighbors/cases.py" in files.namelist()
    assert not [name for name in files.namelist() if name.endswith((".cpp", ".hpp", ".so"))]
    (metadata,) = [name for name in files.namelist() if name.endswith("/METADATA")]
    text = files.read(metadata).decode()
    assert f"Requires-Dist: rmodels=={rmodels.__version__}\n" in text


def test_nothing_names_the_package_of_the_evidence():
    for path in (ROOT / "src").rglob("*.*"):
        if path.suffix in (".py", ".cpp", ".hpp"):
            assert "rmodels_evidence" not in path.read_text("utf-8"), path


def test_pure_install_works_on_the_reference_engine(pure_wheel, tmp_path):
    zipfile.ZipFile(pure_wheel).extractall(tmp_path)
    code = f"""
import sys
sys.meta_path = [each for each in sys.meta_path if "rmodels" not in repr(vars(each))]
sys.path.insert(0, {str(tmp_path)!r})
import rmodels
assert rmodels.__file__.startswith({str(tmp_path)!r}), rmodels.__file__
model = rmodels.LinearRegression(iterations=10).fit([[0.0], [1.0]], [0.0, 1.0])
assert model.engine_ == "reference"
assert rmodels.KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1]).engine_ == "reference"
rmodels.show_versions()
try:
    with rmodels.config_context(engine="native"):
        model.fit([[0.0], [1.0]], [0.0, 1.0])
except RuntimeError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "engine='native' cannot run: rmodels was installed without" in found.stdout
