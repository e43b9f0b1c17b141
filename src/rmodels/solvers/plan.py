"""Which way a solver goes when it may choose, and why: plans are made before anything is computed.

A plan takes the rows' source and what the user asked for, and gives a `Route`. The solvers follow
it; anyone may ask for it. Only the shape of the rows, where they are and the settings decide.
"""

from dataclasses import dataclass, field, replace

from scipy import sparse

from rmodels.config import get_config
from rmodels.data import Rows, Source

__all__ = ["Route", "plan_descent", "plan_least_squares", "plan_path", "smaller_side"]

# Cost of a multiply-add: a stream waits for memory, eigenvectors for LAPACK.
_STREAM_PENALTY = 4
_EIGEN_PENALTY = 50
# Products with sparse rows that conjugate gradients take, and what an entry of them costs. What
# decompositions cost beside their multiply-adds: passes over their matrix.
_PRODUCTS = 100
_SPARSE_PENALTY = 8
_PASSES = 200
_LEAST_SIDE = 512  # below, decompositions take little, and tell rank and singular values
# Reads of all slopes that a working set takes, and what reading costs beside computing with it.
_SLOPES = 6
_READ_PENALTY = 8
_FEW = 1e7


@dataclass(frozen=True)
class Route:
    """The way that a solver goes.

    Attributes
    ----------
    solver : {"moments", "gram", "rows", "krylov", "lsqr", "stream"}
        "moments" and "gram" go on to "rows" where they turn out to be too ill-conditioned.
    reason : str
        Why this one.
    costs : dict of str to float
        What decided, of each way that was compared: multiply-adds, and those that take longer times
        how much longer. Empty if costs did not decide.
    otherwise : Route or None
        Where "krylov" may lead to nothing: the way that is gone then.
    """

    solver: str
    reason: str
    costs: dict[str, float] = field(default_factory=dict)
    otherwise: "Route | None" = None


_ASKED = "it was asked for"
_POSITIVE = "coefficients that must be at least 0 are found from a triangular factor of the rows"
_BATCHES = "moments add up over batches"
_MEMORY = "the moments of a sparse X this wide do not keep the setting memory_limit"
_WIDE = "the moments of an X this wide do not keep the setting memory_limit"
_QUICK = "it takes no time"
_CHEAPEST = "it costs the fewest operations"


def smaller_side(source: Source) -> int:
    """Return the smaller of the rows' number, where it is known, and the columns'."""
    rows: int = source.X.shape[0] if isinstance(source, Rows) else source.n_features
    return min(rows, source.n_features)


def plan_least_squares(source: Source, solver: str = "auto", positive: bool = False) -> Route:
    """Return the route of least squares, with or without a penalty.

    Parameters
    ----------
    source : Source
    solver : {"auto", "moments", "gram", "rows"}
        What was asked for.
    positive : bool
        Whether the coefficients must be at least 0.

    Raises
    ------
    ValueError
        If `solver` is "gram" and the rows are not in memory.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.plan import plan_least_squares
    >>> rows = Rows(np.ones((10, 40)), np.ones((10, 1)), None, lambda: None)
    >>> route = plan_least_squares(rows)
    >>> route.solver, route.reason
    ('gram', 'it costs the fewest operations')
    >>> route.costs
    {'gram': 2000.0, 'moments': 8000.0}
    """
    if positive:
        return Route("rows", _POSITIVE)
    if solver != "auto":
        return _follow(solver, source)
    if not isinstance(source, Rows):
        return Route("moments", _BATCHES)
    n, d = source.X.shape
    costs = {"gram": n**2 * d / 2, "moments": n * d**2 / 2}
    if not sparse.issparse(source.X):
        # as many rows as columns: centred, they leave the columns a rank less than full
        return _choose_cheapest(costs)
    krylov = get_config()["engine"] == "auto"
    if not _keeps_memory(source):
        lsqr = Route("lsqr", _MEMORY)
        return Route("krylov", _MEMORY, otherwise=lsqr) if krylov else lsqr
    side, share = smaller_side(source), source.X.nnz / max(1, n * d)
    decomposing = side**3 / 3 + _PASSES * side**2
    costs = {name: _SPARSE_PENALTY * share**2 * cost + decomposing for name, cost in costs.items()}
    direct = _choose_cheapest(costs)
    if not krylov or side <= _LEAST_SIDE:
        return direct
    costs["krylov"] = float(_SPARSE_PENALTY * _PRODUCTS * source.X.nnz * source.n_targets)
    found = _choose_cheapest(costs)
    return replace(found, otherwise=direct) if found.solver == "krylov" else found


def plan_descent(
    source: Source, iterations: int, learning_rate: float | str = "auto", solver: str = "auto"
) -> Route:
    """Return the route of gradient descent.

    Parameters
    ----------
    source : Source
    iterations : int
    learning_rate : float or "auto"
    solver : {"auto", "moments", "gram", "stream"}
        What was asked for.

    Raises
    ------
    ValueError
        If `solver` is "gram" and the rows are not in memory.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.plan import plan_descent
    >>> rows = Rows(np.ones((500, 400)), np.ones((500, 1)), None, lambda: None)
    >>> plan_descent(rows, iterations=1, learning_rate=0.01).solver
    'stream'
    >>> plan_descent(rows, iterations=10_000, learning_rate=0.01).solver
    'moments'
    """
    if solver != "auto":
        return _follow(solver, source)
    if not isinstance(source, Rows):
        return Route("moments", _BATCHES)
    n, d = source.X.shape
    costs = {
        "moments": n * d**2 / 2 + _EIGEN_PENALTY * d**3,
        "gram": n**2 * d / 2 + _EIGEN_PENALTY * n**3,
    }
    if learning_rate != "auto" and not sparse.issparse(source.X):
        steps = (iterations + 1) * source.n_targets
        costs["stream"] = 2.0 * n * d * steps * _STREAM_PENALTY
    return _choose_cheapest(costs)


def plan_path(source: Source, n_penalties: int) -> Route:
    """Return the route of least squares with penalties on the coefficients' magnitudes.

    Parameters
    ----------
    source : Source
    n_penalties : int

    Returns
    -------
    Route
        "moments", or "columns": a working set of them, and reads of all columns.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.plan import plan_path
    >>> plan_path(Rows(np.ones((500, 5000)), np.ones((500, 1))), 1).solver
    'columns'
    >>> plan_path(Rows(np.ones((5000, 50)), np.ones((5000, 1))), 1).solver
    'moments'
    """
    if not isinstance(source, Rows):
        return Route("moments", _BATCHES)
    n, d = source.X.shape
    if 40 * d**2 > get_config()["memory_limit"]:
        return Route("columns", _WIDE)
    share = source.X.nnz / max(1, n * d) if sparse.issparse(source.X) else 1.0
    slopes = _SLOPES * (_READ_PENALTY + n_penalties * source.n_targets)
    costs = {"moments": share**2 * n * d**2 / 2, "columns": share * n * d * slopes}
    return _choose_cheapest(costs) if costs["moments"] > _FEW else Route("moments", _QUICK, costs)


def _follow(solver: str, source: Source) -> Route:
    """Return the route that was asked for."""
    if solver == "gram" and not isinstance(source, Rows):
        raise ValueError(
            f"solver={solver!r} needs X as an array: the products of rows of different batches do "
            "not add up. Choose 'auto' or 'moments'"
        )
    return Route(solver, _ASKED)


def _choose_cheapest(costs: dict[str, float]) -> Route:
    """Return the first of the cheapest."""
    return Route(min(costs, key=lambda name: costs[name]), _CHEAPEST, costs)


def _keeps_memory(rows: Rows) -> bool:
    """Return whether matrices of the smaller side of a sparse X keep the memory limit."""
    limit: int = get_config()["memory_limit"]
    return not sparse.issparse(rows.X) or 40 * smaller_side(rows) ** 2 <= limit
