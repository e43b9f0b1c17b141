"""Cases of nearest neighbours."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from sklearn import datasets
from sklearn import neighbors as peers

import rmodels
from rmodels_evidence.agreement import neighbor_agreements
from rmodels_evidence.case import (
    Case,
    Errors,
    differences,
    relative_to,
    share_differing,
)
from rmodels_evidence.families.neighbors.problems import (
    Answer,
    NeighborsData,
    faiss,
    latent,
    normal,
)

__all__ = ["neighbors_cases"]

_K = 5
_NEAREST = "brute force in float64"
# Two distances that are closer than this, relatively, are a tie: rounding decides their order.
_TIE = 1e-9


def _rank(X: NDArray, Q: NDArray, k: int) -> Answer:
    """Return the k nearest by the definition, ordered by (distance, index): a feature at a time."""
    squares = np.zeros((len(Q), len(X)))
    for x, q in zip(X.T.astype(np.float64), Q.T.astype(np.float64), strict=True):
        gaps = q[:, np.newaxis] - x
        squares += gaps * gaps
    distances = np.sqrt(squares)
    indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, indices, axis=1), indices


def _search(estimator: Any, X: NDArray, Q: NDArray | None, k: int, **parameters: Any) -> Answer:
    found: Answer = estimator(n_neighbors=k, **parameters).fit(X).kneighbors(Q)
    return found


def _tie_aware(data: NeighborsData) -> Errors:
    """Return a comparison of neighbours by their distances: equal ones may change places."""

    def errors(answers: Sequence[Answer]) -> list[float]:
        count = len(data.X if data.Q is None else data.Q)
        each = [count] * len(answers), [0.0] * len(answers)
        found = neighbor_agreements(data.X, data.Q, data.k, answers, *each, sample=count)
        return [agreement.error for agreement in found]

    return errors


def _nearest_case(name: str, data: NeighborsData) -> Case:
    """Return the k nearest, compared by distances."""
    given = data.X, data.Q, data.k
    others: dict[str, Callable[[], Any] | None] = {
        "scikit-learn": partial(_search, peers.NearestNeighbors, *given, algorithm="brute")
    }
    if data.Q is not None:
        others["SciPy"] = lambda: KDTree(data.X).query(data.Q, range(1, data.k + 1))
        installed = importlib.util.find_spec("faiss") is not None
        others["FAISS float32"] = (lambda: faiss(data, threads=1)()) if installed else None
    task = f"{data.k} nearest" + (", leave one out" if data.Q is None else "")
    return Case(
        "NearestNeighbors",
        name,
        task,
        _NEAREST,
        1e-12,
        partial(_search, rmodels.NearestNeighbors, *given),
        _tie_aware(data),
        others,
    )


def _order_case(name: str, data: NeighborsData, algorithm: str) -> Case:
    """Return the k nearest, in the order of (distance, index), to the last bit."""
    assert data.Q is not None
    return Case(
        "NearestNeighbors",
        name,
        f"order and bits of {data.k} nearest, {algorithm}",
        _NEAREST,
        0.0,
        partial(_search, rmodels.NearestNeighbors, data.X, data.Q, data.k, algorithm=algorithm),
        share_differing(cache(partial(_rank, data.X, data.Q, data.k))),
    )


def _load_bundled() -> Mapping[str, tuple[NDArray, NDArray, NDArray]]:
    """Return scikit-learn's data sets: X and y in random order, and X scaled to unit variance."""
    found = {}
    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(X))
        spread = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
        found[name.replace("_", " ")] = X[order], y[order], (X / spread)[order]
    return found


def _split(X: NDArray, k: int = _K) -> NeighborsData:
    """Return three quarters of the rows as points, the others as queries."""
    most = len(X) * 3 // 4
    return NeighborsData(X[:most], X[most:], k)


def _searches(sets: Mapping[str, tuple[NDArray, NDArray, NDArray]], quick: bool) -> Iterator[Case]:
    """Yield searches for the k nearest."""
    for name, (X, _, _) in sets.items():
        yield _nearest_case(name, _split(X))
        for algorithm in ("brute", "kd_tree"):
            yield _order_case(name, _split(X), algorithm)
    yield _nearest_case("iris", NeighborsData(sets["iris"][0], None, _K))
    rng = np.random.default_rng(0)
    lattice = rng.integers(0, 6, (1200, 3)).astype(np.float64)
    normals = rng.standard_normal((1000, 64))
    clusters = rng.standard_normal((1200, 8)) + 1e8 * rng.integers(0, 3, (1200, 1))
    adverse = {
        "a lattice with duplicates": lattice,
        "offset 1e6 times the spread": normals[:, :16] + 1e6,
        "clusters 1e8 apart": clusters,
        "float32, 64 features": normals.astype(np.float32),
        "float32, offset 1e3 times the spread": (normals + 1e3).astype(np.float32),
        "float32, offset 1e5 times the spread": (normals + 1e5).astype(np.float32),
    }
    for name, X in adverse.items():
        yield _nearest_case(name, _split(X))
        for algorithm in ("brute", "kd_tree"):
            yield _order_case(name, _split(X), algorithm)
    n, q = (4_000, 200) if quick else (20_000, 500)
    for name, data in {
        f"{n:,} × 10": normal(n, q, 10, _K),
        f"{n:,} × 40 of 6 latent dimensions": latent(n, q, 40, 6, _K),
        f"{n // 4:,} × 784": normal(n // 4, q // 4, 784, 100),
    }.items():
        yield _nearest_case(name, data)


def _metrics(X: NDArray) -> Iterator[Case]:
    """Yield searches by other distances, held against SciPy's."""
    data = _split(X)
    assert data.Q is not None
    X, Q = data.X, data.Q
    for metric, parameters in {
        "cityblock": {},
        "chebyshev": {},
        "minkowski": {"p": 3},
        "cosine": {},
        "canberra": {},
        "braycurtis": {},
    }.items():
        given: dict[str, Any] = {"metric": metric, **parameters}
        all_distances = cache(partial(cdist, Q, X, metric, **parameters))
        yield Case(
            "NearestNeighbors",
            "wine",
            f"{_K} nearest, {metric}",
            "SciPy",
            1e-12,
            partial(_search, rmodels.NearestNeighbors, X, Q, _K, **given),
            partial(_ranks, all_distances),
            {"scikit-learn": partial(_search, peers.NearestNeighbors, X, Q, _K, **given)},
            by_scipy=metric in ("canberra", "braycurtis"),
        )


def _ranks(distances: Callable[[], NDArray], answers: Sequence[Answer]) -> list[float]:
    """Compare neighbours with a matrix of all distances; equal ones may change places."""
    expected = np.sort(distances(), axis=1)[:, :_K]
    named = [np.take_along_axis(distances(), indices, axis=1) for _, indices in answers]
    return [
        float(max(np.abs(given - expected).max(), np.abs(np.sort(own, axis=1) - expected).max()))
        / float(expected.max())
        for (given, _), own in zip(answers, named, strict=True)
    ]


def _find_untied(data: NeighborsData) -> NDArray[np.bool_]:
    """Return which queries have no tie at the k-th place, so that their neighbours are decided."""
    assert data.Q is not None
    distances, _ = _rank(data.X, data.Q, data.k + 1)
    return distances[:, -1] - distances[:, -2] > _TIE * distances[:, -1]


def _predict(estimator: Any, data: NeighborsData, y: NDArray, rows: Any, **given: Any) -> NDArray:
    """Return predictions, after the probabilities if there are any, for some of the queries."""
    assert data.Q is not None
    model = estimator(**given).fit(data.X, y[: len(data.X)])
    found = model.predict(data.Q[rows])
    if hasattr(model, "predict_proba"):
        return np.column_stack([model.predict_proba(data.Q[rows]), found])
    return np.asarray(found)


def _by_definition(data: NeighborsData, y: NDArray, classes: bool) -> NDArray:
    """Return votes and winners, or means, of the nearest in the order of (distance, index)."""
    assert data.Q is not None
    targets = y[_rank(data.X, data.Q, data.k)[1]]
    if not classes:
        means: NDArray = targets.mean(axis=1)
        return means
    shares = np.mean(targets[:, :, np.newaxis] == np.unique(y), axis=1)
    return np.column_stack([shares, np.unique(y)[shares.argmax(axis=1)]])


def _predictors(sets: Mapping[str, tuple[NDArray, NDArray, NDArray]]) -> Iterator[Case]:
    """Yield classifiers and regressors, by k nearest and by radius."""
    for name, (_, y, X) in sets.items():
        classes = name not in ("diabetes", "linnerud")
        kind = "Classifier" if classes else "Regressor"
        data = _split(X)
        compare = differences if classes else relative_to
        ours = getattr(rmodels, f"KNeighbors{kind}")
        yield Case(
            f"KNeighbors{kind}",
            name,
            f"{_K} nearest, ties by index",
            "the definition",
            1e-13,
            partial(_predict, ours, data, y, slice(None), n_neighbors=_K),
            compare(partial(_by_definition, data, y, classes)),
        )
        untied = _find_untied(data)
        for weights in ("uniform", "distance"):
            given: dict[str, Any] = {"n_neighbors": _K, "weights": weights}
            peer = partial(
                _predict, getattr(peers, f"KNeighbors{kind}"), data, y, untied,
                algorithm="kd_tree", **given,
            )  # fmt: skip
            yield Case(
                f"KNeighbors{kind}",
                name,
                f"{_K} nearest, weights {weights}",
                "scikit-learn",
                1e-11,
                partial(_predict, ours, data, y, untied, **given),
                compare(peer),
            )
        radius = _radius(data)
        given = {"radius": radius} | ({"outlier_label": 0} if classes else {})
        peer = partial(
            _predict, getattr(peers, f"RadiusNeighbors{kind}"), data, y, slice(None), **given
        )
        yield Case(
            f"RadiusNeighbors{kind}",
            name,
            f"within {radius:.3g}",
            "scikit-learn",
            1e-11,
            partial(
                _predict,
                getattr(rmodels, f"RadiusNeighbors{kind}"),
                data,
                y,
                slice(None),
                **given,
            ),
            compare(peer),
        )


def _radius(data: NeighborsData) -> float:
    """Return a radius that holds a neighbour of every query, and that no distance is close to."""
    assert data.Q is not None
    distances = np.unique(_rank(data.X, data.Q, len(data.X))[0])
    least = _rank(data.X, data.Q, 1)[0].max()
    beyond = distances[distances >= least]
    gap = np.flatnonzero(np.diff(beyond) > 1e-6 * least)[0]
    return float((beyond[gap] + beyond[gap + 1]) / 2)


def _within(estimator: Any, data: NeighborsData, radius: float) -> list[Any]:
    """Return distances and indices within a radius: an array for each query."""
    model = estimator(radius=radius).fit(data.X)
    distances, indices = model.radius_neighbors(data.Q, sort_results=True)
    return [distances, indices]


def _same_sets(truth: Callable[[], list[Any]]) -> Errors:
    """Return a comparison of neighbours within a radius: the same points, and their distances."""

    def errors(answers: Sequence[list[Any]]) -> list[float]:
        distances, indices = truth()
        largest = max(each.max(initial=0.0) for each in distances)
        return [
            float(
                max(np.abs(a - b).max(initial=0.0) for a, b in zip(given, distances, strict=True))
            )
            / largest
            if all(
                np.array_equal(np.sort(a), np.sort(b)) for a, b in zip(named, indices, strict=True)
            )
            else np.inf
            for given, named in answers
        ]

    return errors


def _graphs(sets: Mapping[str, tuple[NDArray, NDArray, NDArray]]) -> Iterator[Case]:
    """Yield searches within a radius, transformers and graphs."""
    for name in ("iris", "wine", "digits"):
        data = _split(sets[name][2])
        radius = _radius(data)
        yield Case(
            "NearestNeighbors",
            name,
            f"within {radius:.3g}",
            "scikit-learn",
            1e-12,
            partial(_within, rmodels.NearestNeighbors, data, radius),
            _same_sets(partial(_within, peers.NearestNeighbors, data, radius)),
        )
    lattice = np.random.default_rng(0).integers(0, 9, (400, 2)).astype(np.float64)
    data = _split(lattice)
    yield Case(
        "NearestNeighbors",
        "a lattice with duplicates",
        "within 5, its edge included",
        "scikit-learn",
        0.0,
        partial(_within, rmodels.NearestNeighbors, data, 5.0),
        _same_sets(partial(_within, peers.NearestNeighbors, data, 5.0)),
    )
    X = np.random.default_rng(0).standard_normal((300, 6))
    count, reach = {"n_neighbors": _K}, {"radius": 1.5}
    for name, given in (
        ("KNeighborsTransformer", count),
        ("RadiusNeighborsTransformer", reach),
        ("kneighbors_graph", count),
        ("radius_neighbors_graph", reach),
    ):
        ours, theirs = (partial(_graph, getattr(home, name), X, given) for home in (rmodels, peers))
        task = "graph of distances"
        yield Case(name, "300 × 6", task, "scikit-learn", 1e-12, ours, differences(theirs))


def _graph(make: Any, X: NDArray, given: Mapping[str, float]) -> NDArray:
    """Return the distances to neighbours as a matrix, by a transformer or by a function."""
    if isinstance(make, type):
        made = make(mode="distance", **given).fit_transform(X)
    else:
        made = make(X, *given.values(), mode="distance")
    found: NDArray = made.toarray()
    return found


def neighbors_cases(quick: bool) -> Iterator[Case]:
    """Yield the cases of nearest neighbours.

    Parameters
    ----------
    quick : bool
        Smaller generated data.
    """
    sets = _load_bundled()
    yield from _searches(sets, quick)
    yield from _metrics(sets["wine"][2])
    yield from _predictors(sets)
    yield from _graphs(sets)
