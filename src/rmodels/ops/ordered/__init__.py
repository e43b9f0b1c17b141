"""Stochastic gradient descent: a step for each row, in an order that is known."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = [
    "LOSSES",
    "PENALTIES",
    "RATES",
    "Epoch",
    "EpochMap",
    "NotFiniteError",
    "Place",
    "Problem",
    "Rule",
    "Score",
    "Walk",
    "begin",
    "compose",
]

Vector = NDArray[np.float64]

LOSSES = (
    "hinge",
    "squared_hinge",
    "modified_huber",
    "log_loss",
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
)
PENALTIES = (None, "l1", "l2", "elasticnet")
RATES = ("constant", "optimal", "invscaling", "adaptive", "pa1", "pa2")

# Of a problem's number, its coefficients and its intercept.
Score = Callable[[int, NDArray, float], float]


class NotFiniteError(ValueError):
    """Coefficients are not finite."""

    def __init__(self, epoch: int) -> None:
        super().__init__(
            f"Floating-point under-/overflow occurred at epoch #{epoch}. Scaling input data with "
            "StandardScaler or MinMaxScaler might help."
        )


@dataclass(frozen=True)
class Rule:
    """What a step does, and when steps end.

    Attributes
    ----------
    loss : str
        One of `LOSSES`, of the prediction p and the target y.
    edge : float
        Of hinges, the margin p·y from which on there is no loss; of the last three, ε.
    penalty : str or None
        One of `PENALTIES`: α (½ (1 − ρ) ‖w‖² + ρ ‖w‖₁).
    alpha, l1_ratio : float
        α, and the ρ of "elasticnet".
    rate : str
        One of `RATES`: η, from `eta0` and `power_t`.
    eta0, power_t : float
    fit_intercept : bool
    intercept_decay : float
        What steps of the intercept are multiplied by.
    one_class : bool
        Whether α · intercept is added to the objective.
    average : int
        The number of the step from which on the mean of the iterates is taken; 0: none is.
    shuffle : bool
        Whether rows are shuffled before each epoch.
    max_iter : int
    tol : float
        By how much an epoch must be better than the best one; −∞: need not.
    n_iter_no_change : int
        After how many epochs that are not better it ends, or the adaptive rate is divided by 5.
    scored : bool
        Whether scores of rows that are held out are watched, and not the objective.
    """

    loss: str
    edge: float = 0.0
    penalty: str | None = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    rate: str = "constant"
    eta0: float = 0.01
    power_t: float = 0.5
    fit_intercept: bool = True
    intercept_decay: float = 1.0
    one_class: bool = False
    average: int = 0
    shuffle: bool = False
    max_iter: int = 1
    tol: float = -np.inf
    n_iter_no_change: int = 5
    scored: bool = False

    @property
    def share(self) -> float:
        """ρ, of any penalty."""
        return {"l1": 1.0, "elasticnet": self.l1_ratio}.get(self.penalty or "", 0.0)

    @property
    def first_eta(self) -> float:
        """The first step's η at the rate "optimal", of a typical coefficient."""
        from rmodels.ops.ordered import reference

        typical = np.sqrt(1.0 / np.sqrt(self.alpha))
        return float(typical / max(1.0, reference.slope(self, 1.0, -typical)))


@dataclass(frozen=True)
class Problem:
    """One of several problems with the same rows.

    Attributes
    ----------
    label : int
        The code in y that becomes 1; every other becomes `negative`. Below 0, y is the target.
    negative : float
    positive_weight, negative_weight : float
        Of rows whose target is above 0, and of the others.
    seed : int
        What rows are shuffled by, from 0 to 2³¹ − 1.
    """

    label: int = -1
    negative: float = -1.0
    positive_weight: float = 1.0
    negative_weight: float = 1.0
    seed: int = 1


@dataclass(eq=False)
class Place:
    """Where the problems are.

    Attributes
    ----------
    coefficients, average : ndarray of shape (n_problems, n_features), float32 or float64
        w, and the mean of the iterates.
    intercepts, average_intercepts : ndarray of shape (n_problems,), float64
    t : float
        Number of the next step, from 1.
    epochs : ndarray of shape (n_problems,), int64
        Those that were walked.
    objectives : ndarray of shape (n_problems,), float64
        Means over the rows of the last epoch, each before its step; NaN if scores are watched.
    """

    coefficients: NDArray
    intercepts: Vector
    average: NDArray
    average_intercepts: Vector
    t: float = 1.0
    epochs: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    objectives: Vector = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def zeros(cls, n_problems: int, n_features: int, dtype: Any) -> "Place":
        """Return where problems begin if nothing is known."""
        W, b = np.zeros((n_problems, n_features), dtype), np.zeros(n_problems)
        return cls(W, b, np.zeros_like(W), np.zeros_like(b))


@dataclass(frozen=True)
class Epoch:
    """What is told of an epoch of a problem.

    Attributes
    ----------
    number : int
        From 1.
    norm : float
        ‖w‖.
    nonzeros : int
    intercept : float
    steps : int
        Of all epochs so far.
    loss, objective : float
        The mean over the rows, each before its step; of rows that are scored, 0.
    """

    number: int
    norm: float
    nonzeros: int
    intercept: float
    steps: int
    loss: float
    objective: float


@dataclass(frozen=True, eq=False)
class EpochMap:
    """What an epoch does to v = (w, intercept, 1) if each of its steps is affine; then `+` another.

    Attributes
    ----------
    map : ndarray of shape (n_features + 2, n_features + 2)
        At its end v is map · v.
    form : ndarray of shape (n_features + 2, n_features + 2), symmetric
        vᵀ form v is the sum of the objective over its rows, each before its step.
    n_samples : int
    engine : str
    """

    map: Vector
    form: Vector
    n_samples: int
    engine: str

    def __add__(self, later: "EpochMap") -> "EpochMap":
        """Return what both do, this one first."""
        form = self.form + self.map.T @ later.form @ self.map
        n = self.n_samples + later.n_samples
        return EpochMap(later.map @ self.map, form, n, self.engine)


class Walk(Protocol):
    """Problems on their way."""

    engine: str

    def step(self, X: Any, y: NDArray, weights: NDArray | None, n_threads: int | None) -> None:
        """Make a step for each row, in their order: a part of an epoch."""

    def end_epoch(self) -> bool:
        """Judge the epoch of each problem; return whether one goes on."""

    def run(
        self,
        X: Any,
        y: NDArray,
        weights: NDArray | None,
        held_out: NDArray[np.bool_] | None,
        score: Score | None,
        tell: Callable[[int, Epoch], None] | None,
        n_threads: int | None,
    ) -> None:
        """Walk epochs until every problem has ended."""

    def place(self) -> Place:
        """Return where the problems are."""


def begin(
    rule: Rule, problems: list[Problem], start: Place, *, engine: str | None = None, on: Any = None
) -> Walk:
    """Begin to descend, a step for each row.

    With wᵢ the coefficients before the step of row i and pᵢ = xᵢ·wᵢ + intercept, the step is
    w ← max(0, 1 − η α (1 − ρ)) wᵢ − η s ∂loss(pᵢ, yᵢ)/∂p xᵢ, the derivative limited to ±10¹² and s
    the weight of the row times that of its class; the intercept goes along without a penalty. Then
    coefficients are drawn to 0 by what the ρ of the penalty has added up to, and cut off there:
    those of the columns that the row has.

    Parameters
    ----------
    rule : Rule
    problems : list of Problem
    start : Place
        Not changed. Its dtype is that of all arithmetic on coefficients: X, y and weights must have
        it, too.
    engine : str or None
        As in `rmodels.ops.choose`.
    on : ndarray, tensor or None
        X, which tells where the data is.

    Returns
    -------
    Walk
        Its methods take X, an array (n_samples, n_features) or a CSR matrix, y (n_samples,) and
        weights (n_samples,) or None. `run` walks whole epochs over rows in memory, `step` a part of
        one in the order of the rows, which `end_epoch` ends. Held out rows are not stepped on.
        `score` is called after each epoch with the coefficients as they are held: before they are
        multiplied by what the penalty has shrunk them to since that was last done (below).

    Raises
    ------
    NotFiniteError
        If after an epoch a coefficient is not finite.

    Notes
    -----
    Before every epoch the order is shuffled anew by Fisher and Yates, i ↔ i + draw mod (n − i),
    with the draws (modulo 2³¹) of a xorshift generator (13, 17, 5) that begins with the problem's
    seed each time. Rates: η₀; 1 / (α (t₀ + t − 1)), t₀ such that the first is `first_eta`;
    η₀ / t^power; η₀, divided by 5 when epochs stop getting better; of "pa1" and "pa2" the step is
    min(η₀, loss / ‖x‖²) and loss / (‖x‖² + ½ / η₀), towards the target.

    An epoch is better if the mean of loss + penalty over its rows, each before its step, is below
    the best so far by more than `tol` (rows count alike, whatever their weights), or the score
    above it by at least `tol`. ‖w‖ is that after the last step that changed w by a gradient, before
    coefficients are drawn to 0.

    Coefficients are kept as a number times a vector, so that shrinking them costs nothing; they are
    multiplied where the number falls below 10⁻⁹ (10⁻⁶ in float32), and at the end. In float64,
    engines agree to the rounding of their sums, unless a prediction is within it of the edge of a
    loss; bitwise the same for any number of threads. In float32, w is rounded to it after every
    step, products of w and x as well; sums are in float64.

    Native: the next rows are known, and fetched ahead; a step costs two passes over a row that is
    in the cache. Of dense rows in float64 four steps of a plain rule (no average, no penalty on
    magnitudes, one of the first four rates) are made together, those of a batch's end with the
    first of the next one. Problems are shared among threads; with "log_loss" as many as a vector
    has lanes are walked side by side. Rows must be contiguous (else X is copied), with any stride
    between them; indices of columns are int32. Memory: 4 bytes a row and problem if shuffled, and
    up to three vectors of coefficients a problem and three rows.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.ordered import Place, Problem, Rule, begin
    >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 3.0])
    >>> rule = Rule("squared_error", eta0=0.25, fit_intercept=False)
    >>> walk = begin(rule, [Problem()], Place.zeros(1, 1, np.float64))
    >>> walk.run(X, y, None, None, None, None, 1)
    >>> walk.place().coefficients  # 0.25 · 1 · 1, and from there 0.25 · (3 - 0.5) · 2 more
    array([[1.5]])
    """
    name = ops.choose("ordered", engine, on)
    found: Walk = ops.implementation("ordered", name).Walk(rule, problems, start)
    return found


def compose(
    rule: Rule,
    X: Vector,
    y: Vector,
    weights: Vector | None,
    n_threads: int | None = None,
    *,
    engine: str | None = None,
) -> EpochMap:
    """Return what the steps of some rows in their order do, as a map.

    With the squared error, no penalty or "l2", and a constant rate with η α < 1, a step is

        w ← (1 − η α) w − η s (x·w + b − y) x,   b ← b − η s (x·w + b − y),

    affine in (w, b) unless it is so long that the derivative is limited: so are all of them
    together. n_samples rows once, and any number of epochs costs a product each.

    Parameters
    ----------
    rule : Rule
        Of that kind.
    X : ndarray of shape (n_samples, n_features), float64
    y : ndarray of shape (n_samples,), float64
    weights : ndarray of shape (n_samples,), float64, or None
        s, those of classes among them.
    n_threads : int or None
    engine : str or None
        As in `rmodels.ops.choose`.

    Returns
    -------
    EpochMap

    Notes
    -----
    About 6 (n_features + 2)² operations a row. Native: eight rows at a time, parts of the rows on
    threads; bitwise the same for any number of threads. Memory: four matrices of n_features + 2
    rows and columns for each part of 4,096 rows or more that a call of about 60 ms works on.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.ordered import Rule, compose
    >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 3.0])
    >>> epoch = compose(Rule("squared_error", eta0=0.25, fit_intercept=False), X, y, None)
    >>> (epoch.map @ [0.0, 0.0, 1.0])[0], [0.0, 0.0, 1.0] @ epoch.form @ [0.0, 0.0, 1.0]
    (np.float64(1.5), np.float64(3.625))
    """
    name = ops.choose("ordered", engine, X)
    found: EpochMap = ops.implementation("ordered", name).compose(rule, X, y, weights, n_threads)
    return found
