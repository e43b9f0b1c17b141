"""Coordinate descent, literally, and Newton's method once it has found which rows are not 0."""

import numpy as np

from rmodels.ops.coordinate import Matrix, Minima

_UNIT = 2.0**-53
_MOST_PASSES = 20_000
_MOST_STEPS = 20


def minimise(
    Q: Matrix,
    q: Matrix,
    sizes: Matrix,
    l1: Matrix,
    l2: Matrix,
    start: Matrix | None,
    positive: bool,
    n_threads: int | None,
) -> Minima:
    """Each problem on its own, each penalty from the minimum of the one before."""
    problems, d, targets = q.shape
    coefficients = np.zeros((*l1.shape, d, targets))
    steps, violations = np.zeros(l1.shape, dtype=np.int64), np.zeros(l1.shape)
    for i in range(problems):
        problem = _Problem(Q[i % len(Q)], q[i], float(sizes[i]), positive)
        B = np.zeros((d, targets)) if start is None else start[i].copy()
        B[problem.scale == 0] = 0.0
        if positive:
            B = np.maximum(B, 0.0)
        for k in range(l1.shape[1]):
            B, steps[i, k], violations[i, k] = problem.minimise(B, float(l1[i, k]), float(l2[i, k]))
            coefficients[i, k] = B
    return Minima(coefficients, steps, violations, "reference")


def _norms(B: Matrix) -> Matrix:
    """Return the norm of each row."""
    found: Matrix = np.sqrt((B * B).sum(axis=1))
    return found


class _Problem:
    """½ tr BᵀQB − tr qᵀB, to which penalties are added."""

    def __init__(self, Q: Matrix, q: Matrix, size: float, positive: bool) -> None:
        self.Q, self.q, self.size, self.positive = Q, q, size, positive
        self.scale = np.sqrt(np.maximum(Q.diagonal(), 0.0))

    def minimise(self, B: Matrix, l1: float, l2: float) -> tuple[Matrix, int, float]:
        """Return the minimum, how many passes and steps it took, and the largest violation."""
        best, least, stalled, steps = B, np.inf, 0, 0
        while steps < _MOST_PASSES:
            excess = self._violation(B, l1, l2)
            if excess < least:
                best, least, stalled = B, excess, 0
            else:
                stalled += 1
            within = (8 + np.sqrt(np.count_nonzero(_norms(B)))) * _UNIT
            within *= self.size + (self.scale * _norms(B)).sum()
            if least <= within or (stalled > 100 and least <= 100 * within):
                break
            steps += 1
            before = _norms(B) > 0
            B = self._descend(B, l1, l2)
            if (before == (_norms(B) > 0)).all():
                B = self._solve(B, l1, l2)
        return best, steps, least / self.size if self.size else 0.0

    def _descend(self, B: Matrix, l1: float, l2: float) -> Matrix:
        """Minimise over each row in turn: bⱼ ← (1 − λ₁ / ‖z‖)₊ z / (Q_jj + λ₂)."""
        B = B.copy()
        g = self.q - self.Q @ B
        for j in np.flatnonzero(self.scale):
            z = g[j] + self.Q[j, j] * B[j]
            norm = z[0] if self.positive else np.sqrt(z @ z)
            row = z * ((1 - l1 / norm) / (self.Q[j, j] + l2)) if norm > l1 else np.zeros_like(z)
            if (row != B[j]).any():
                g -= np.outer(self.Q[j], row - B[j])
                B[j] = row
        return B

    def _solve(self, B: Matrix, l1: float, l2: float) -> Matrix:
        """Minimise over the rows that are not 0, by Newton's method, if that leads lower.

        For one target its first step is the minimum for the present signs; where a coefficient
        would turn over, the step ends at its 0, and the others go on without it. Where columns are
        dependent, it goes along what changes no prediction instead, to the first 0. Of several
        targets, the rows that would turn over are 0 after a step.
        """
        found, t = B.copy(), B.shape[1]
        active = np.flatnonzero(_norms(B))
        for _ in range(_MOST_STEPS + len(active)):
            k, rows = len(active), found[active]
            if not k:
                break
            norms = _norms(rows)[:, np.newaxis]
            ways = rows / norms
            A: Matrix = self.Q[np.ix_(active, active)] + l2 * np.eye(k)
            slope: Matrix = A @ rows - self.q[active] + l1 * ways
            H = A if t == 1 else _bend(A, ways, l1 / norms[:, 0])
            move, null = _solve_symmetric(H, slope.ravel())
            if null is not None and t == 1:
                move = null if null @ slope[:, 0] >= 0 else -null
            move = move.reshape(k, t)
            toward = (move * rows).sum(axis=1) / (rows * rows).sum(axis=1)
            if t == 1 and (toward.max() >= 1 or null is not None):
                first = int(toward.argmax())
                if toward[first] <= 0:
                    return B
                found[active] = rows - move / toward[first]
                found[active[first]] = 0.0
                active = np.delete(active, first)
                continue
            after = np.where(toward[:, np.newaxis] < 1, rows - move, 0.0)
            found[active] = after
            active = active[toward < 1]
            if t == 1 or abs(after - rows).max() < 1e-9 * abs(after).max():
                break
        if t == 1 or self._violation(found, l1, l2) < self._violation(B, l1, l2):
            return found
        return found if self._value(found, l1, l2) < self._value(B, l1, l2) else B

    def _value(self, B: Matrix, l1: float, l2: float) -> float:
        """Return what is minimised."""
        smooth = 0.5 * (B * (self.Q @ B + l2 * B)).sum() - (self.q * B).sum()
        return float(smooth + l1 * _norms(B).sum())

    def _violation(self, B: Matrix, l1: float, l2: float) -> float:
        """Return how far the conditions of optimality are from being met, over √Q_jj."""
        norms = _norms(B)
        g = self.q - self.Q @ B - l2 * B
        active = norms > 0
        excess = np.maximum((g[:, 0] if self.positive else _norms(g)) - l1, 0.0)
        excess[active] = _norms(g[active] - l1 * (B[active] / norms[active, np.newaxis]))
        used = self.scale > 0
        return float((excess[used] / self.scale[used]).max(initial=0.0))


def _bend(A: Matrix, ways: Matrix, bends: Matrix) -> Matrix:
    """Return the second derivatives for several targets: A, and the bends of the norms."""
    k, t = ways.shape
    H = np.asarray(np.kron(A, np.eye(t)), np.float64).reshape(k, t, k, t)
    for i in range(k):
        H[i, :, i] += bends[i] * (np.eye(t) - np.outer(ways[i], ways[i]))
    return H.reshape(k * t, k * t)


def _solve_symmetric(H: Matrix, slope: Matrix) -> tuple[Matrix, Matrix | None]:
    """Return H⁻¹ slope, and where H is singular but for rounding, v with H v = 0.

    Then the first is of least norm among those of the scaled H.
    """
    scale = np.sqrt(H.diagonal())
    values, V = np.linalg.eigh(H / scale / scale[:, np.newaxis])
    kept = values > len(values) * 8 * _UNIT * values[-1]
    found: Matrix = V[:, kept] @ (V[:, kept].T @ (slope / scale) / values[kept]) / scale
    return found, None if kept.all() else V[:, 0] / scale
