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
        """Minimise over the rows that are not 0, by Newton's method.

        For one target its first step is the minimum for the present signs; where a coefficient
        would turn over, the step ends at its 0, and the others go on without it. Where columns are
        dependent, it goes along what changes no prediction instead, to the first 0.
        """
        found, t = B.copy(), B.shape[1]
        active = np.flatnonzero(_norms(B))
        for _ in range(_MOST_STEPS + len(active)):
            k, rows = len(active), found[active]
            if not k:
                break
            norms = _norms(rows)[:, np.newaxis]
            ways = rows / norms
            A = self.Q[np.ix_(active, active)] + l2 * np.eye(k)
            slope: Matrix = A @ rows - self.q[active] + l1 * ways
            H = np.asarray(np.kron(A, np.eye(t)), np.float64).reshape(k, t, k, t)
            for i in range(k):
                H[i, :, i] += l1 / norms[i, 0] * (np.eye(t) - np.outer(ways[i], ways[i]))
            move, unique = _solve_symmetric(H.reshape(k * t, k * t), slope.ravel())
            move = move.reshape(k, t)
            after = rows - move
            leaves = (move * rows).sum(axis=1) > 0
            if unique:
                leaves &= (after * rows).sum(axis=1) <= 0
            if t > 1 and (leaves.any() or not unique):
                return B
            if leaves.any():
                shares = np.where(leaves, rows[:, 0] / np.where(leaves, move[:, 0], 1.0), np.inf)
                first = int(shares.argmin())
                found[active] = rows - shares[first] * move
                found[active[first]] = 0.0
                active = np.delete(active, first)
                continue
            if not unique:
                return B
            found[active] = after
            if abs(after - rows).max() < 1e-9 * abs(after).max():
                break
        return found

    def _violation(self, B: Matrix, l1: float, l2: float) -> float:
        """Return how far the conditions of optimality are from being met, over √Q_jj."""
        norms = _norms(B)
        g = self.q - self.Q @ B - l2 * B
        active = norms > 0
        excess = np.maximum((g[:, 0] if self.positive else _norms(g)) - l1, 0.0)
        excess[active] = _norms(g[active] - l1 * (B[active] / norms[active, np.newaxis]))
        used = self.scale > 0
        return float((excess[used] / self.scale[used]).max(initial=0.0))


def _solve_symmetric(H: Matrix, slope: Matrix) -> tuple[Matrix, bool]:
    """Return H⁻¹ slope, and true; where H is singular but for rounding, v with H v = 0, and false.

    v is not against the slope.
    """
    scale = np.sqrt(H.diagonal())
    values, V = np.linalg.eigh(H / scale / scale[:, np.newaxis])
    if values[0] > len(values) * 8 * _UNIT * values[-1]:
        found: Matrix = V @ (V.T @ (slope / scale) / values) / scale
        return found, True
    null: Matrix = V[:, 0] / scale
    return (null if null @ slope >= 0 else -null), False
