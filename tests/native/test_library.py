"""The library for other languages says what Python says."""

import ctypes
import fcntl
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import cases
import numpy as np
import pytest

import rmodels
from rmodels import KNeighborsClassifier, KNeighborsRegressor, LinearRegression, NearestNeighbors
from rmodels.native import instruction_sets
from rmodels.ops.affine import affine
from rmodels.ops.descent import descent
from rmodels.ops.moments import moments

ROOT = Path(__file__).parents[2]
# Started by `make sanitize`, it tests a library and an example in C++ that are sanitized, too.
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
BUILD = ROOT / "build" / ("library-sanitized" if SANITIZED else "library-tested")
SET = "neon" if platform.machine() in ("arm64", "aarch64") else "baseline"
TOOLS = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("library"),  # no process waits for another that builds it
    pytest.mark.skipif(
        shutil.which("cmake", path=TOOLS) is None or shutil.which("c++") is None,
        reason="there is no cmake or no C++ compiler, which build the library",
    ),
    pytest.mark.skipif(not instruction_sets(), reason="rmodels was built without a compiler"),
]


class Array(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("rows", ctypes.c_size_t),
        ("columns", ctypes.c_size_t),
        ("row_stride", ctypes.c_ssize_t),
        ("column_stride", ctypes.c_ssize_t),
        ("dtype", ctypes.c_int32),
    ]

    @classmethod
    def of(cls, values):
        """A view of an array, or None."""
        if values is None:
            return None
        array = np.asarray(values)
        array = array[:, np.newaxis] if array.ndim == 1 else array
        strides = (each // array.itemsize for each in array.strides)
        view = cls(array.ctypes.data, *array.shape, *strides, int(array.dtype == np.float64))
        view.kept = array
        return ctypes.pointer(view)


class Library:
    """The functions, which raise what they return."""

    def __init__(self, path):
        self.functions = ctypes.CDLL(path)
        for name in ("version", "instruction_set", "error", "label"):
            getattr(self.functions, f"rmodels_{name}").restype = ctypes.c_char_p
        for name in ("features", "targets", "classes"):
            getattr(self.functions, f"rmodels_n_{name}").restype = ctypes.c_size_t

    def text(self, name, *arguments):
        found = getattr(self.functions, f"rmodels_{name}")(*arguments)
        return None if found is None else found.decode()

    def call(self, name, *arguments):
        given = [
            ctypes.c_double(each) if isinstance(each, float)
            else ctypes.c_size_t(each) if isinstance(each, int)
            else each.encode() if isinstance(each, str)
            else each.ctypes.data_as(ctypes.c_void_p) if isinstance(each, np.ndarray)
            else each
            for each in arguments
        ]  # fmt: skip
        if getattr(self.functions, f"rmodels_{name}")(*given):
            raise ValueError(self.text("error"))

    def model(self, name, *arguments):
        made = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(made))
        return made

    def size(self, kind, model):
        return getattr(self.functions, f"rmodels_n_{kind}")(model)

    def predict(self, model, X):
        found = np.empty((len(X), self.size("targets", model)))
        self.call("predict", model, Array.of(X), 0, found)
        return found

    def classify(self, model, X):
        codes = np.empty(len(X), dtype=np.int64)
        shares = np.empty((len(X), self.size("classes", model)))
        self.call("classify", model, Array.of(X), 0, codes, shares)
        return codes, shares


def without_sanitizers():
    """Return the environment for compilers, which a sanitizer would find at fault."""
    given = os.environ | {"PATH": TOOLS}
    return {name: value for name, value in given.items() if name != "LD_PRELOAD"}


def build():
    """Build the library of one instruction set, which any processor runs, and the C++ example."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:  # as several processes may run tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        options = [
            f"-DRMODELS_SETS={SET}",
            "-DRMODELS_OPTIMIZATION=-O1",  # half the time to compile
            f"-DRMODELS_SANITIZE={SANITIZED}",
        ]
        for arguments in (
            ["-S", str(ROOT / "src" / "librmodels"), "-B", str(BUILD), *options],
            ["--build", str(BUILD), "--parallel", "2", "--target", "all", "example_cpp"],
        ):
            run = subprocess.run(
                ["cmake", *arguments],
                env=without_sanitizers(), capture_output=True, text=True, check=False, timeout=850,
            )  # fmt: skip
            assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def library():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RMODELS_ISA", SET)
        build()
        suffix = "dylib" if sys.platform == "darwin" else "so"
        found = Library(BUILD / f"librmodels.{suffix}")
        assert found.text("instruction_set") == SET
        yield found


RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 4)) * [1.0, 2.0, 0.5, 1.0] + [0.0, 3.0, 0.0, -1.0]
Y = X @ RNG.normal(size=(4, 2)) + RNG.normal(size=(500, 2))
W = RNG.integers(0, 4, 500).astype(float)
TIES = RNG.integers(-2, 3, (300, 3)).astype(float)
CODES = RNG.integers(0, 4, 300)
QUERIES = np.concatenate([TIES[:20], RNG.normal(size=(20, 3))])
KINDS = [np.ascontiguousarray, np.asfortranarray, np.float32]
METRICS = [("euclidean", 2.0), ("manhattan", 2.0), ("chebyshev", 2.0), ("cosine", 2.0)]
METRICS += [("minkowski", 3.0), ("minkowski", np.inf)]


def test_version(library):
    assert library.text("version") == rmodels.__version__


@pytest.mark.parametrize("weights", [None, W], ids=["alike", "weights"])
@pytest.mark.parametrize("kind", KINDS)
def test_moments_are_the_same_bit_for_bit(library, kind, weights):
    rows, targets = kind(X), kind(Y)
    weight, mean, scatter = np.empty(1), np.empty(6), np.empty((6, 6))
    library.call("moments", *map(Array.of, (rows, targets, weights)), 0, weight, mean, scatter)
    wanted = moments(rows, targets, weights, engine="native")
    assert weight[0] == wanted.weight
    np.testing.assert_array_equal(mean, wanted.mean)
    np.testing.assert_array_equal(scatter, wanted.scatter)
    library.call(
        "moments", Array.of(rows), None, None, 1, weight, mean[:4], scatter := np.empty((4, 4))
    )
    np.testing.assert_array_equal(scatter, moments(rows, targets[:, :0], engine="native").scatter)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_steps_are_the_same_bit_for_bit(library, fit_intercept):
    found, losses = np.zeros((5, 2)), np.empty((30, 2))
    arguments = (30, 0.05, int(fit_intercept), 0, found, losses)
    library.call("descend", Array.of(X), Array.of(Y), Array.of(W), *arguments)
    wanted = descent(
        X, Y, np.zeros((5, 2)), 0.05, 30, W, fit_intercept=fit_intercept, engine="native"
    )
    np.testing.assert_array_equal(found, wanted.coefficients)
    np.testing.assert_array_equal(losses, wanted.losses)


@pytest.mark.parametrize("rate", [0.05, 0.0], ids=["rate", "auto"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_linear_regression(library, rate, fit_intercept):
    arguments = (*map(Array.of, (X, Y, W)), 1000, rate, int(fit_intercept), 0)
    model = library.model("fit_linear", *arguments)
    coefficients, intercepts = np.empty((2, 4)), np.empty(2)
    library.call("coefficients", model, coefficients, intercepts)
    wanted = LinearRegression(
        iterations=1000, learning_rate=rate or "auto", fit_intercept=fit_intercept
    ).fit(X, Y, W)
    np.testing.assert_allclose(coefficients, wanted.coef_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(intercepts, wanted.intercept_, rtol=1e-12, atol=1e-12)
    found = library.predict(model, X)
    np.testing.assert_array_equal(found, affine(X, coefficients, intercepts))
    sizes = abs(X) @ abs(wanted.coef_.T) + abs(np.asarray(wanted.intercept_))
    assert (abs(found - wanted.predict(X)) <= 2e-12 * (1 + sizes)).all()
    library.functions.rmodels_free(model)


@pytest.mark.parametrize("columns", [1, 2, 3, 40])
def test_the_largest_eigenvalue_is_that_of_lapack(library, columns):
    rows = RNG.normal(size=(columns + 30, columns)) + 1.0
    model = library.model("fit_linear", Array.of(rows), Array.of(rows[:, 0]), None, 1, 0.0, 0, 1)
    found = np.empty((1, columns))
    library.call("coefficients", model, found, np.empty(1))
    second = rows.T @ rows / len(rows)  # one step of 1 / λ leads to its first column over λ
    np.testing.assert_allclose(found[0], second[:, 0] / np.linalg.eigvalsh(second)[-1], rtol=1e-12)
    library.functions.rmodels_free(model)


@pytest.mark.parametrize(("metric", "p"), METRICS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_neighbours_are_the_same_bit_for_bit(library, metric, p, dtype):
    points = TIES.astype(dtype)
    for name, weights in (("uniform", 0), ("distance", 1)):
        model = library.model(
            "fit_neighbors_classifier", Array.of(points), CODES, 4, 7, metric, p, weights, 0
        )
        distances, indices = np.empty((40, 9)), np.empty((40, 9), dtype=np.int64)
        library.call("neighbors", model, Array.of(QUERIES), 9, 0, distances, indices)
        search = NearestNeighbors(n_neighbors=9, metric=metric, p=p).fit(points)
        np.testing.assert_array_equal(distances, search.kneighbors(QUERIES)[0])
        np.testing.assert_array_equal(indices, search.kneighbors(QUERIES)[1])
        wanted = KNeighborsClassifier(7, metric=metric, p=p, weights=name).fit(points, CODES)
        codes, shares = library.classify(model, QUERIES)
        np.testing.assert_array_equal(codes, wanted.predict(QUERIES))
        np.testing.assert_array_equal(shares, wanted.predict_proba(QUERIES))
        library.functions.rmodels_free(model)
        targets = np.column_stack([CODES * 0.1, CODES * 0.7]).astype(dtype)
        given = (Array.of(points), Array.of(targets), 7, metric, p, weights, 0)
        model = library.model("fit_neighbors_regressor", *given)
        wanted = KNeighborsRegressor(7, metric=metric, p=p, weights=name).fit(points, targets)
        np.testing.assert_array_equal(library.predict(model, QUERIES), wanted.predict(QUERIES))
        library.functions.rmodels_free(model)


LINEAR = [
    case
    for case in cases.EXAMPLES
    if case.entry.task == "regress" and case.entry.family == "linear_model"
]


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_models_that_python_saved(library, tmp_path, case):
    pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
    model, path = case.fit(), tmp_path / "a.rmodel"
    rmodels.save(model, path)
    if case.entry.page == "generalised":
        with pytest.raises(ValueError, match=f"is a {case.name}, which this library does not"):
            library.model("load", str(path))
        return
    loaded = library.model("load", str(path))
    wanted = model.predict(cases.QUERIES).reshape(len(cases.QUERIES), -1)
    np.testing.assert_array_equal(library.predict(loaded, cases.QUERIES), wanted)
    library.functions.rmodels_free(loaded)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
@pytest.mark.parametrize("targets", [1, 2, 7])
def test_linear_predictions_are_the_same_bit_for_bit(library, tmp_path, kind, single, targets):
    pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
    random, path = np.random.default_rng(3), tmp_path / "a.rmodel"
    A, B = random.normal(size=(300, 37)), random.normal(size=(300, targets))
    rows = A.astype(np.float32) if single else A
    model = LinearRegression().fit(rows, B[:, 0] if targets == 1 else B)
    rmodels.save(model, path)
    loaded = library.model("load", str(path))
    for queries in (kind(A), kind(rows)):
        wanted = model.predict(queries).reshape(300, targets)
        np.testing.assert_array_equal(library.predict(loaded, queries), wanted)
    library.functions.rmodels_free(loaded)


@pytest.mark.parametrize("labels", [["rot", "grün", "蓝😀"], [3, -1, 7], [0.5, 1.0, 2.0]], ids=str)
def test_neighbours_that_python_saved(library, tmp_path, labels):
    pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
    places, path = CODES % 3, tmp_path / "a.rmodel"
    y = places * 0.5 if labels[0] == 0.5 else np.array(labels)[places]
    kind = KNeighborsRegressor if labels[0] == 0.5 else KNeighborsClassifier
    model = kind(5, weights="distance", metric="cosine").fit(np.asfortranarray(TIES), y)
    rmodels.save(model, path)
    loaded = library.model("load", str(path))
    if kind is KNeighborsRegressor:
        found = library.predict(loaded, QUERIES)[:, 0]
        np.testing.assert_array_equal(found, model.predict(QUERIES))
    else:
        codes, _ = library.classify(loaded, QUERIES)
        named = [library.text("label", loaded, ctypes.c_size_t(code)) for code in codes]
        assert named == [str(each) for each in model.predict(QUERIES)]
        assert library.text("label", loaded, ctypes.c_size_t(3)) is None
    library.functions.rmodels_free(loaded)


def test_files_that_are_no_models(library, tmp_path):
    pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
    path = tmp_path / "a.rmodel"
    rmodels.save(LinearRegression().fit(X, Y), path)
    whole = path.read_bytes()
    for content, said in (
        (b"", "cannot be read, or is empty"),
        (b"hello\n", "does not begin with 'rmodels'"),
        (whole[:-1], "truncated"),
        (whole[:-1] + b"x", "altered"),
        (whole.replace(b"rmodels 1", b"rmodels 2", 1), "format version 2"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said):
            library.model("load", str(path))
    with pytest.raises(ValueError, match="cannot be read"):
        library.model("load", str(tmp_path / "none"))
    rmodels.save(KNeighborsRegressor().fit(X, Y, W + 1.0), path)
    with pytest.raises(ValueError, match="points have weights"):
        library.model("load", str(path))


GAP = X.copy()
GAP[3, 1] = np.nan


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("fit_linear", (None, Y, None, 10, 0.05, 1, 0), "X is NULL"),
        (
            "fit_linear",
            (GAP, Y, None, 10, 0.05, 1, 0),
            "X has a value that is not finite in row 3",
        ),
        ("fit_linear", (X, Y[:9], None, 10, 0.05, 1, 0), "Y has 9 rows, and X has 500"),
        ("fit_linear", (X, Y, -W, 10, 0.05, 1, 0), "weights are below 0 in row"),
        ("fit_linear", (X, Y, W * 0, 10, 0.05, 1, 0), "weights are all 0"),
        ("fit_linear", (X, Y, X, 10, 0.05, 1, 0), "weights have 4 columns"),
        ("fit_linear", (X[:0], Y, None, 10, 0.05, 1, 0), "X is empty"),
        ("fit_linear", (X, Y, None, 10, -1.0, 1, 0), "learning_rate must be"),
        (
            "fit_linear",
            (X, Y, None, 9000, 1.0, 1, 0),
            "diverges with learning_rate=1: it has ",
        ),
        (
            "fit_linear",
            (X * 1e200, Y, None, 10, 0.1, 1, 0),
            "squares of column 0 of .* overflow",
        ),
        ("fit_neighbors_regressor", (X, Y, 0, "cosine", 2.0, 0, 0), "n_neighbors is 0"),
        ("fit_neighbors_regressor", (X, Y, 501, "cosine", 2.0, 0, 0), "to the 500 points"),
        ("fit_neighbors_regressor", (X, Y, 5, "canberra", 2.0, 0, 0), "metric is 'canberra'"),
        ("fit_neighbors_regressor", (X, Y, 5, "minkowski", 0.0, 0, 0), "p must be above 0"),
    ],
)
def test_what_is_wrong_is_said(library, name, arguments, said):
    given = [Array.of(each) if isinstance(each, np.ndarray) else each for each in arguments]
    with pytest.raises(ValueError, match=said):
        library.model(name, *given)


def test_models_say_what_they_cannot(library):
    codes = np.arange(300)
    with pytest.raises(ValueError, match="codes have 4 in row 4, and there are 4 classes"):
        library.model("fit_neighbors_classifier", Array.of(TIES), codes, 4, 5, "cosine", 2.0, 0, 0)
    model = library.model(
        "fit_neighbors_classifier", Array.of(TIES), CODES, 4, 5, "cosine", 2.0, 0, 0
    )
    with pytest.raises(ValueError, match="tells classes: ask rmodels_classify"):
        library.call("predict", model, Array.of(TIES), 0, np.empty(300))
    with pytest.raises(ValueError, match="has no coefficients"):
        library.call("coefficients", model, np.empty(3), np.empty(1))
    with pytest.raises(ValueError, match="X has 4 features, and the model takes 3"):
        library.call("predict", model, Array.of(X), 0, np.empty(500))
    library.functions.rmodels_free(model)
    library.functions.rmodels_free(None)


def outcome(command, **variables):
    """What an example prints, as words and numbers."""
    places = dict.fromkeys(("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"), str(BUILD))
    environment = os.environ | places | variables
    printed = subprocess.check_output(command, env=environment, text=True, timeout=60)
    return [[word, *map(float, rest)] for word, *rest in map(str.split, printed.splitlines())]


def expected():
    """What the examples say, by Python."""
    i = np.arange(40)
    points = np.column_stack([i % 8 / 8.0, i // 8 / 5.0])
    y = 3 + 2 * points[:, 0] - points[:, 1]
    query = [[0.3, 0.45]]
    linear = LinearRegression(iterations=1000, learning_rate=0.05).fit(points, y)
    neighbours = KNeighborsClassifier(3).fit(points, y > 3)
    distances, indices = neighbours.kneighbors(query)
    return [
        ["coefficients", *linear.coef_, linear.intercept_],
        ["prediction", *linear.predict(query)],
        *(["neighbour", i, d] for i, d in zip(indices[0], distances[0], strict=True)),
        ["class", 1, neighbours.predict_proba(query)[0, 1]],
    ]


def assert_example(found):
    for ours, wanted in zip(found, expected(), strict=True):
        assert ours[0] == wanted[0]
        tolerance = 1e-12 if ours[0] in ("coefficients", "prediction") else 0.0
        np.testing.assert_allclose(ours[1:], np.asarray(wanted[1:], float), rtol=tolerance)


def test_example_in_cpp(library):
    # unlike Python, it is to leave nothing behind
    assert_example(outcome([BUILD / "example_cpp"], ASAN_OPTIONS="detect_leaks=1"))


def test_example_in_rust(library, tmp_path):
    if shutil.which("rustc") is None:
        pytest.skip("there is no rustc, which builds the example in Rust")
    source = ROOT / "src" / "librmodels" / "examples" / "models.rs"
    program = tmp_path / "models"
    run = ["rustc", "--edition", "2021", "-O", str(source), "-L", str(BUILD), "-o", str(program)]
    subprocess.run(run, check=True, timeout=120, cwd=tmp_path, env=without_sanitizers())
    assert_example(outcome([program]))
