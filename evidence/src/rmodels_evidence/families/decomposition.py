"""Principal components."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn import datasets, decomposition
from sklearn.model_selection import train_test_split

from rmodels import PCA, IncrementalPCA, TruncatedSVD, scan
from rmodels.ops import device
from rmodels.ops.moments import moments
from rmodels_evidence import gpu
from rmodels_evidence.case import Case
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.families import Family
from rmodels_evidence.parquet import READ, InParquet, can_read, readers, write
from rmodels_evidence.problem import (
    INTELEX,
    Agreement,
    Answers,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = ["FAMILY"]

Matrix = NDArray[np.float64]
_ROWS_ON_GPU = (10_000_000, 40)


def _transform(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.transform(X))


def _comparisons() -> Iterator[Comparison]:
    X, y = datasets.load_digits(return_X_y=True)
    yield Comparison(
        "10 principal components",
        "digits",
        "PCA",
        tuple(train_test_split(X, y, random_state=0)),
        lambda: PCA(10),
        lambda: decomposition.PCA(10),
        _transform,
        1e-10,
    )


@cache
def _rows(name: str) -> NDArray:
    """Return rows whose singular values fall from 100 to 1."""
    rng = np.random.default_rng(0)
    n, d = {"wide": (40, 400), "square": (60, 60)}.get(name, (2000, 20))
    U, _ = np.linalg.qr(rng.standard_normal((n, min(n, d))))
    V, _ = np.linalg.qr(rng.standard_normal((d, min(n, d))))
    X: NDArray = U * np.geomspace(100, 1, min(n, d)) @ V.T
    if name == "float64, mean 1e8":
        X = X + 1e8
    if name == "float32, mean 1e5":
        X = (X + 1e5).astype(np.float32)
    if name == "scales 1e-6 to 1e6":
        X = X * np.geomspace(1e-6, 1e6, d)
    if name == "a column twice":
        X[:, 1] = X[:, 0]
    return X


@cache
def _spectrum(name: str) -> Matrix:
    """Return the singular values of the centred rows.

    Rows far from zero are near one another, so that differences to the first are exact.
    """
    X = _rows(name).astype(np.float64)
    D = X - X[0]
    D -= D.mean(axis=0)
    found: Matrix = linalg.svd(D - D.mean(axis=0), compute_uv=False)
    return found


@cache
def _about_zero(name: str) -> Matrix:
    """Return the singular values of the rows as they are."""
    found: Matrix = linalg.svd(_rows(name).astype(np.float64), compute_uv=False)
    return found


def _digits_of(
    spectrum: Callable[[str], Matrix], name: str, k: int
) -> Callable[[Sequence[Any]], list[float]]:
    """Return a comparison of the k largest singular values, each relative to itself."""

    def errors(answers: Sequence[Any]) -> list[float]:
        expected = spectrum(name)[:k]
        return [float(np.max(np.abs(np.asarray(each)[:k] / expected - 1))) for each in answers]

    return errors


def _fit(estimator: Any, name: str, k: int | None) -> Any:
    return estimator(n_components=k).fit(_rows(name)).singular_values_


# The data, components, and the error allowed: that of moments is 8 √n ε σ₁² / σ², of rows ε σ₁ / σ,
# and the result of float32 is rounded to float32.
_CASES = (
    ("plain", 20, 1e-9),
    ("float64, mean 1e8", 20, 1e-9),
    ("float32, mean 1e5", 20, 1.2e-7),
    ("scales 1e-6 to 1e6", 5, 1e-9),
    ("a column twice", 19, 1e-9),
    ("wide", 30, 1e-9),
    ("square", 50, 1e-9),
)


def _cases(quick: bool) -> Iterator[Case]:
    for name, k, tolerance in _CASES:
        for estimator in (PCA, IncrementalPCA):
            peer = getattr(decomposition, estimator.__name__)
            yield Case(
                estimator.__name__,
                name,
                f"{k} singular values",
                "singular values of the centred rows",
                tolerance,
                partial(_fit, estimator, name, k),
                _digits_of(_spectrum, name, k),
                {"scikit-learn": partial(_fit, peer, name, k)},
            )
    for name, k in (("plain", 10), ("a column twice", 10), ("wide", 10), ("square", 20)):
        yield Case(
            "TruncatedSVD",
            name,
            f"{k} singular values",
            "singular values of the rows",
            1e-9,
            partial(_fit, TruncatedSVD, name, k),
            _digits_of(_about_zero, name, k),
            {"scikit-learn": partial(_fit, decomposition.TruncatedSVD, name, k)},
        )


def _check(
    data: NDArray, answers: Answers, centred: bool = True, tolerance: float = 1e-9
) -> dict[Contender, Agreement]:
    """Compare squared singular values with the eigenvalues of the products, in float64."""
    D = data.astype(np.float64)
    if centred:
        D -= D.mean(axis=0)
    expected = np.linalg.eigvalsh(D.T @ D)[::-1]
    found = {}
    for contender, answer in answers.items():
        squares = np.asarray(answer, dtype=np.float64) ** 2
        error = float(np.max(np.abs(squares / expected[: len(squares)] - 1)))
        allowed = tolerance if contender.precision == "float64" else 1e-4
        if data.dtype == np.float32:
            allowed = max(allowed, 1e-6)  # the results are float32
        found[contender] = Agreement(error, allowed, "relative error of a variance")
    return found


def _contender(name: str, estimator: Any, **kwargs: Any) -> Contender:
    parameters = kwargs.pop("parameters", {})

    def prepare(data: NDArray) -> Callable[[], Any]:
        return lambda: estimator(**parameters).fit(data).singular_values_

    return Contender(name, prepare, **kwargs)


def _intelex(data: NDArray) -> Callable[[], Any]:
    from sklearnex import decomposition as peers

    return lambda: peers.PCA().fit(data).singular_values_


def _normal(n: int, d: int, dtype: str) -> NDArray:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.dtype(dtype))
    return X * np.linspace(3, 1, d, dtype=np.dtype(dtype)) + np.dtype(dtype).type(1)


def _problem(
    name: str,
    title: str,
    rows: tuple[int, int, str],
    contenders: list[Contender],
    goals: list[Goal],
) -> Problem:
    n, d, dtype = rows
    return Problem(
        name,
        f"{title}, {n:,} × {d}" + (", float32" if dtype == "float32" else ""),
        "decomposition",
        partial(_normal, *rows),
        tuple(contenders),
        _check,
        tuple(goals),
        Work(n * d * np.dtype(dtype).itemsize, n * d * (d + 1), "float64"),
    )


def _write(n: int) -> InParquet:
    return write(_normal(n, 40, "float64"))


def _fitting_file(data: InParquet) -> Callable[[], Any]:
    def fit() -> Any:
        rows: Any = scan(data.path)
        return PCA().fit(rows).singular_values_

    return fit


def _check_file(data: InParquet, answers: Answers) -> dict[Contender, Agreement]:
    return _check(data.X, answers)


def _problems(options: Options) -> Iterator[Problem]:
    n = options.rows(200_000)
    full = {"svd_solver": "full"}
    yield _problem(
        "pca-40",
        "PCA",
        (n, 40, "float64"),
        [
            _contender("rmodels", PCA, ours=True),
            _contender("scikit-learn", decomposition.PCA),
            _contender("scikit-learn full", decomposition.PCA, parameters=full),
            Contender(INTELEX, _intelex, peer=INTELEX),
        ],
        [
            Goal(("scikit-learn",), 2.5),
            Goal(("scikit-learn full",), 30),
            Goal((INTELEX,), 10),
        ],
    )
    ten = {"n_components": 10}
    arpack = ten | {"algorithm": "arpack"}
    for name, ours, theirs, parameters, ratio in (
        ("IncrementalPCA", IncrementalPCA, decomposition.IncrementalPCA, ten, 70),
        ("TruncatedSVD", TruncatedSVD, decomposition.TruncatedSVD, arpack, 80),
    ):
        centred = name == "IncrementalPCA"
        yield replace(
            _problem(
                f"{name.lower()}-40",
                f"{name}, 10 components",
                (n, 40, "float64"),
                [
                    _contender("rmodels", ours, parameters=ten, ours=True),
                    _contender("scikit-learn", theirs, parameters=parameters),
                ],
                [Goal(("scikit-learn",), ratio)],
            ),
            # scikit-learn's IncrementalPCA forgets what its components leave out
            check=partial(_check, centred=centred, tolerance=5e-2 if centred else 1e-9),
        )
    yield _problem(
        "pca-500-float32",
        "PCA",
        (options.rows(50_000), 500, "float32"),
        [
            _contender("rmodels", PCA, ours=True),
            _contender("scikit-learn", decomposition.PCA, precision="float32"),
        ],
        [Goal(("scikit-learn",), 0.9)],
    )
    if not can_read():
        return
    n = options.rows(1_000_000)
    yield Problem(
        "pca-parquet",
        f"PCA {n:,} × 40 from a Parquet file",
        "decomposition",
        partial(_write, n),
        (Contender("rmodels", _fitting_file, True), *readers(options.threads)),
        _check_file,
        (Goal((READ,), 1.3, at_most=True),),
        Work(n * 40 * 8, n * 40 * 41, "float64"),
    )


def _on_gpu(options: Options) -> Iterator[gpu.GPUProblem]:
    rows = (60, 4) if options.rehearsal else _ROWS_ON_GPU
    yield gpu.GPUProblem("gpu-pca-read", partial(_reads, *rows), has_goal=True)


def _reads(n: int, d: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    """Measure the one read of PCA, and all of a fit; check its variances over some rows."""
    import torch

    X = torch.randn(n, d, device=device.device()) * torch.linspace(3, 1, d, device=device.device())
    head = X[: 1 << 17]
    expected = PCA().fit(gpu.to_numpy(head.double())).explained_variance_
    found = gpu.to_numpy(PCA().fit(head).explained_variance_)
    if not (np.abs(found / expected - 1) <= 1e-6).all():  # the result is float32
        raise AssertionError("the variances are not those of the processor")
    name = f"{n} x {d} float32"
    read = gpu.on_device([partial(moments, X, X[:, :0])], 10)
    floor = max(X.nbytes / limits.bandwidth, n * d * (d + 1.0) / limits.double)
    goal = gpu.goal_of_read(X.nbytes, limits)
    yield gpu.Line(f"PCA's read, {name}", "rmodels gpu, data there", read, floor / read, goal)
    fit = gpu.on_device([lambda: PCA(min(10, d)).fit(X)], 5)
    yield gpu.Line(f"PCA, 10 components, {name}", "rmodels gpu, data there", fit, floor / fit)
    theirs = gpu.on_device([lambda: torch.linalg.eigh(torch.cov(X.T))], 5)
    yield gpu.Line(f"PCA, 10 components, {name}", "torch: eigh of cov in float32", theirs)


FAMILY = Family(
    comparisons=_comparisons,
    cases=_cases,
    suite="decomposition",
    problems=_problems,
    gpu_problems=_on_gpu,
)
