"""Stochastic gradient descent, step by step."""

from collections.abc import Callable, Iterator
from math import copysign, exp, inf, isfinite, log1p, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.ops.chunks import chunks
from rmodels.ops.ordered import Epoch, EpochMap, NotFiniteError, Place, Problem, Rule, Score

_MOST_SLOPE = 1e12
_LEAST_SCALE = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-9}


def loss(rule: Rule, y: float, p: float) -> float:
    """Return the loss of a prediction p."""
    edge, gap, margin = rule.edge, abs(y - p), p * y
    match rule.loss:
        case "hinge":
            return max(0.0, edge - margin)
        case "squared_hinge":
            return _square(max(0.0, edge - margin))
        case "modified_huber":
            return _square(max(0.0, 1 - margin)) if margin >= -1 else -4 * margin
        case "log_loss":
            return _softplus(p) - y * p
        case "squared_error":
            return 0.5 * _square(gap)
        case "huber":
            return 0.5 * _square(gap) if gap <= edge else edge * (gap - 0.5 * edge)
        case "epsilon_insensitive":
            return max(0.0, gap - edge)
    return _square(max(0.0, gap - edge))


def _square(x: float) -> float:
    return x * x  # x**2 raises an error where it overflows


def _softplus(p: float) -> float:
    """Return log(1 + eᵖ)."""
    return p + log1p(exp(-p)) if p > 0 else log1p(exp(p))


def slope(rule: Rule, y: float, p: float) -> float:
    """Return the derivative of the loss by p."""
    edge, margin = rule.edge, p * y
    match rule.loss:
        case "hinge":
            return -y if margin <= edge else 0.0
        case "squared_hinge":
            return -2 * y * max(0.0, edge - margin)
        case "modified_huber":
            return -2 * y * max(0.0, 1 - margin) if margin >= -1 else -4 * y
        case "log_loss":
            return ((1 - y) - y * exp(-p)) / (1 + exp(-p)) if p > -37 else exp(p) - y
        case "squared_error":
            return p - y
        case "huber":
            return p - y if abs(p - y) <= edge else copysign(edge, p - y)
        case "epsilon_insensitive":
            return copysign(1.0, p - y) if abs(p - y) > edge else 0.0
    return 2 * copysign(abs(p - y) - edge, p - y) if abs(p - y) > edge else 0.0


def draws(seed: int) -> Iterator[int]:
    """Yield the numbers of the xorshift generator that rows are shuffled by."""
    state = seed or 1
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        yield state % 2**31


def shuffle(order: NDArray[np.intp], seed: int) -> None:
    """Shuffle by Fisher and Yates, from the front."""
    n = len(order)
    for i, draw in zip(range(n - 1), draws(seed), strict=False):
        j = i + draw % (n - i)
        order[i], order[j] = order[j], order[i]


class Walk:
    """Each problem on its own."""

    engine = "reference"

    def __init__(self, rule: Rule, problems: list[Problem], start: Place) -> None:
        self._t = start.t
        self._each = [_One(rule, problem, start, i) for i, problem in enumerate(problems)]

    def step(self, X: Any, y: NDArray, weights: NDArray | None, n_threads: int | None) -> None:
        """Make a step for each row, in their order."""
        for one in self._each:
            if not one.ended:
                one.step_all(X, y, weights, range(X.shape[0]))

    def end_epoch(self) -> bool:
        """Judge the epoch of each problem."""
        follows = [one.judge(None) for one in self._each if not one.ended]
        return any(follows)

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
        """Walk one problem after the other."""
        for number, one in enumerate(self._each):
            order = np.arange(X.shape[0])
            for _ in chunks(one.rule.max_iter, 1, "epochs"):
                if one.rule.shuffle:
                    shuffle(order, one.problem.seed)
                one.step_all(X, y, weights, order if held_out is None else order[~held_out[order]])
                one.check_finite()
                if tell:
                    tell(number, one.epoch())
                found = score(number, one.w.copy(), one.intercept) if score else None
                if not one.judge(found):
                    break

    def place(self) -> Place:
        """Return where the problems are."""
        for one in self._each:
            one.multiply()
        return Place(
            np.array([one.w for one in self._each]),
            np.array([one.intercept for one in self._each]),
            np.array([one.average for one in self._each]),
            np.array([one.average_intercept for one in self._each]),
            self._t,
            np.array([one.epochs for one in self._each], dtype=np.int64),
            np.array([one.objective for one in self._each]),
        )


class _One:
    """A problem on its way: its coefficients are scale · w."""

    def __init__(self, rule: Rule, problem: Problem, start: Place, number: int) -> None:
        self.rule, self.problem, self.share = rule, problem, rule.share
        self.w = start.coefficients[number].copy()
        self.average = start.average[number].copy()
        self.intercept = float(start.intercepts[number])
        self.average_intercept = float(start.average_intercepts[number])
        self.dtype, self.scale = self.w.dtype, 1.0
        self.squares, self.sizes = self._sums()
        self.a, self.b = 0.0, 1.0  # the average is (average + a · w) / b
        self.q, self.u = np.zeros_like(self.w), 0.0  # what drew each to 0, and what should have
        self.t, self.eta, self.epochs, self.steps = start.t, rule.eta0, 0, 0
        self.first = 1.0 / (rule.first_eta * rule.alpha) if rule.rate == "optimal" else 0.0
        self.best_objective, self.best_score, self.unchanged = inf, -inf, 0
        self.loss_sum, self.objective_sum, self.seen = 0.0, 0.0, 0
        self.objective, self.ended = nan, False

    def _sums(self) -> tuple[float, float]:
        """Return Σ w² and Σ |w|, where the penalty has a use for them."""
        squares = float((self.w * self.w).sum(dtype=float)) if self.rule.penalty else 0.0
        return squares, float(abs(self.w).sum(dtype=float)) if self.share else 0.0

    def step_all(self, X: Any, y: NDArray, weights: NDArray | None, order: Any) -> None:
        """Make a step for each of some rows."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # see check_finite
            self._step_each(X, y, weights, order)

    def _step_each(self, X: Any, y: NDArray, weights: NDArray | None, order: Any) -> None:
        problem, one = self.problem, self.dtype.type(1.0)
        for i in order:
            target = float(y[i])
            if problem.label >= 0:
                target = 1.0 if target == problem.label else problem.negative
            at: Any = slice(None)
            if sparse.issparse(X):
                stored = slice(X.indptr[i], X.indptr[i + 1])
                at, x = X.indices[stored], X.data[stored]
            else:
                x = X[i]
            weight = problem.positive_weight if target > 0 else problem.negative_weight
            weight = float(self.dtype.type(weight) * (one if weights is None else weights[i]))
            self._step(at, x, target, weight)

    def _step(self, at: Any, x: NDArray, y: float, weight: float) -> None:
        """Make a step, for the values x of the columns `at`."""
        rule, single = self.rule, self.dtype.type
        dot = single((self.w[at] * x).sum(dtype=float) * self.scale)
        p = float(dot) + self.intercept
        if rule.rate == "optimal":
            self.eta = 1.0 / (rule.alpha * (self.first + self.t - 1))
        elif rule.rate == "invscaling":
            self.eta = rule.eta0 / self.t**rule.power_t
        eta, aggressive = self.eta, rule.rate in ("pa1", "pa2")

        self.seen += 1
        value = loss(rule, y, p)
        self.loss_sum += value
        self.objective_sum += value
        if not aggressive:
            if rule.penalty:
                self.objective_sum += rule.alpha * (
                    (1 - self.share) * 0.5 * self.squares * self.scale**2
                    + self.share * self.sizes * self.scale
                )
            if rule.one_class:
                self.objective_sum += self.intercept * rule.alpha

        if aggressive:
            length = float((x.astype(float) ** 2).sum())
            if rule.rate == "pa1":
                if length == 0:
                    return
                update = min(rule.eta0, value / length)
            else:
                update = value / (length + 0.5 / rule.eta0)
            update *= y if rule.loss == "hinge" else -1.0 if y - p < 0 else 1.0
        else:
            update = -eta * min(max(slope(rule, y, p), -_MOST_SLOPE), _MOST_SLOPE)
        update *= weight

        if rule.penalty in ("l2", "elasticnet"):
            self.scale *= float(single(max(0.0, 1.0 - (1.0 - self.share) * eta * rule.alpha)))
            if self.scale < _LEAST_SCALE[self.dtype]:
                self.multiply()
        if update != 0:
            self.w[at] += x.astype(float) * float(single(single(update) / single(self.scale)))
            self.squares, self.sizes = self._sums()
        if rule.fit_intercept:
            change = update - eta * rule.alpha if rule.one_class else update
            self.intercept += change * rule.intercept_decay
        if 0 < rule.average <= self.t:
            self._add_to_average(at, x, update)
        if self.share and rule.penalty:
            self.u += self.share * eta * rule.alpha
            self._draw_to_zero(at)
        self.t += 1
        self.steps += 1

    def _add_to_average(self, at: Any, x: NDArray, update: float) -> None:
        count = self.t - self.rule.average + 1
        mu = 1.0 / float(self.dtype.type(count))
        minus = -float(self.dtype.type(update)) / self.scale
        self.average[at] += (self.a * x.astype(float)) * minus
        if count > 1:
            self.b /= 1.0 - mu
        self.a += mu * self.b * self.scale
        self.average_intercept += (self.intercept - self.average_intercept) / count

    def _draw_to_zero(self, at: Any) -> None:
        """Cut off what the penalty on magnitudes has added up to for some columns."""
        before, q = self.w[at].astype(float), self.q[at].astype(float)
        down = np.maximum(0.0, before - (self.u + q) / self.scale)
        up = np.minimum(0.0, before + (self.u - q) / self.scale)
        self.w[at] = np.where(before > 0, down, np.where(before < 0, up, before))
        self.q[at] = q + self.scale * (self.w[at] - before)

    def multiply(self) -> None:
        """Have the scale be 1."""
        single = self.dtype.type
        if self.scale == 1 and not self.rule.average:
            return
        if self.rule.average:
            self.average += single(self.a) * self.w
            self.average *= single(1.0 / self.b)
            self.a, self.b = 0.0, 1.0
        self.w *= single(self.scale)
        self.squares *= self.scale**2
        self.sizes *= self.scale
        self.scale = 1.0

    def check_finite(self) -> None:
        """Raise an error if what was found is not finite."""
        if not (isfinite(self.intercept) and np.isfinite(self.w).all()):
            raise NotFiniteError(self.epochs + 1)

    def epoch(self) -> Epoch:
        """Return what is told of the epoch that ends."""
        return Epoch(
            self.epochs + 1,
            sqrt(self.squares) * self.scale if self.rule.penalty else float(np.linalg.norm(self.w)),
            int(np.count_nonzero(self.w)),
            self.intercept,
            self.steps,
            self.loss_sum / self.seen,
            self.objective_sum / self.seen,
        )

    def judge(self, score: float | None) -> bool:
        """End an epoch; return whether another one follows."""
        self.check_finite()
        rule = self.rule
        if rule.scored:
            assert score is not None
            worse = score < self.best_score + rule.tol
            self.best_score = max(self.best_score, score)
        else:
            self.objective = self.objective_sum / self.seen
            worse = self.objective > self.best_objective - rule.tol
            self.best_objective = min(self.best_objective, self.objective)
        self.unchanged = self.unchanged + 1 if worse and rule.tol > -inf else 0
        self.loss_sum, self.objective_sum, self.seen = 0.0, 0.0, 0
        self.epochs += 1
        self.ended = self.epochs >= rule.max_iter
        if self.unchanged >= rule.n_iter_no_change:
            if rule.rate == "adaptive" and self.eta > 1e-6:
                self.eta, self.unchanged = self.eta / 5, 0
            else:
                self.ended = True
        return not self.ended


def compose(
    rule: Rule, X: NDArray, y: NDArray, weights: NDArray | None, n_threads: int | None
) -> EpochMap:
    """Compose one step after the other."""
    n, d = X.shape
    M, form = np.eye(d + 2), np.zeros((d + 2, d + 2))
    decay = rule.intercept_decay if rule.fit_intercept else 0.0
    alpha = rule.alpha if rule.penalty else 0.0
    for i in range(n):
        move = rule.eta0 * (1.0 if weights is None else weights[i])
        gap = np.array([*X[i], 1.0, -y[i]]) @ M
        form += 0.5 * np.outer(gap, gap) + 0.5 * alpha * M[:d].T @ M[:d]
        M[:d] = (1 - rule.eta0 * alpha) * M[:d] - move * np.outer(X[i], gap)
        M[d] -= decay * move * gap
    return EpochMap(M, form, n, "reference")
