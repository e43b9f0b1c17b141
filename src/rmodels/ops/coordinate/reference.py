"""Coordinate descent, literally, and Newton's method once it has found which rows are not 0."""

import numpy as np

from rmodels.ops.coordinate import Matrix, Minima

_UNIT = 2.0**-53
_MOST_PASSES = 20_000
_MOST_STEPS = 20
_MOST_DESCENTS = 8  # of several targets: then the rows that miss most come in
_HALVINGS = 60
_RIDGE = 1e-14  # least eigenvalue of Newton's matrix, over its size


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
            several = B.shape[1] > 1
            alone = several and steps > _MOST_DESCENTS
            B = self._enter(B, l1, l2) if alone else self._descend(B, l1, l2)
            if alone or (before == (_norms(B) > 0)).all():
                B = self._solve_together(B, l1, l2) if several else self._solve(B, l1, l2)
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

    def _enter(self, B: Matrix, l1: float, l2: float) -> Matrix:
        """Minimise over a row that is 0 and misses its condition most, and so on for a quarter.

        If none does, over each row.
        """
        found, missed, entered = B.copy(), 0, 0
        while not entered or 4 * entered < missed:
            g = self.q - self.Q @ found
            out = (_norms(found) == 0) & (self.scale > 0)
            excess = np.where(out, _norms(g) - l1, 0.0) / np.where(out, self.scale, 1.0)
            j = int(excess.argmax())
            if excess[j] <= 0:
                break
            missed = missed or int((excess > 0).sum())
            size = np.sqrt(g[j] @ g[j])
            found[j] = g[j] * ((1 - l1 / size) / (self.Q[j, j] + l2))
            entered += 1
        return found if entered else self._descend(B, l1, l2)

    def _solve(self, B: Matrix, l1: float, l2: float) -> Matrix:
        """Minimise over the coefficients of one target that are not 0, if that leads lower.

        A step is to the minimum for the present signs; where a coefficient would turn over, it ends
        at its 0, and the others go on without it. Where columns are dependent, it goes along what
        changes no prediction instead, to the first 0.
        """
        found = B.copy()
        active = np.flatnonzero(B)
        for _ in range(_MOST_STEPS + len(active)):
            k, rows = len(active), found[active]
            if not k:
                break
            A: Matrix = self.Q[np.ix_(active, active)] + l2 * np.eye(k)
            slope: Matrix = A @ rows - self.q[active] + l1 * np.sign(rows)
            step, null = _solve_symmetric(A, slope[:, 0])
            if null is not None:
                step = null if null @ slope[:, 0] >= 0 else -null
            toward = step / rows[:, 0]
            if toward.max() < 1 and null is None:
                found[active, 0] -= step
                break
            first = int(toward.argmax())
            if toward[first] <= 0:
                return B
            found[active, 0] -= step / toward[first]
            found[active[first]] = 0.0
            active = np.delete(active, first)
        return found

    def _solve_together(self, B: Matrix, l1: float, l2: float) -> Matrix:
        """Minimise over the rows of several targets that are not 0, by Newton's method.

        No step leads higher. Where the whole step does not lead lower, it ends where it leads
        lowest; the row that is nearest to 0 there is 0 after it, if that costs less than half of
        what the step gains.
        """
        B = B.copy()
        active = np.flatnonzero(_norms(B))
        for _ in range(_MOST_STEPS + len(active)):
            if not len(active):
                break
            A = self.Q[np.ix_(active, active)] + l2 * np.eye(len(active))
            line = _Line(A, self.q[active], B[active], l1)
            after = line.end()
            B[active] = after
            change = abs(after - line.rows)
            active = active[(after != 0).any(axis=1)]
            if line.length == 1.0 and change.max() < 1e-9 * abs(after).max():
                break
        return B

    def _violation(self, B: Matrix, l1: float, l2: float) -> float:
        """Return how far the conditions of optimality are from being met, over √Q_jj."""
        norms = _norms(B)
        g = self.q - self.Q @ B - l2 * B
        active = norms > 0
        excess = np.maximum((g[:, 0] if self.positive else _norms(g)) - l1, 0.0)
        excess[active] = _norms(g[active] - l1 * (B[active] / norms[active, np.newaxis]))
        used = self.scale > 0
        return float((excess[used] / self.scale[used]).max(initial=0.0))


class _Line:
    """A step of Newton's method over rows that are not 0, and what is minimised along it.

    Differences of norms are taken as what is along a row, and what is left: that cannot be
    negative, and has all its digits where the step is small.
    """

    def __init__(self, A: Matrix, q: Matrix, rows: Matrix, l1: float) -> None:
        self.A, self.rows, self.l1 = A, rows, l1
        self.norms = _norms(rows)
        self.ways = rows / self.norms[:, np.newaxis]
        self.slope = A @ rows - q + l1 * self.ways
        self.step = -_solve_bent(_bend(A, self.ways, l1 / self.norms), self.slope)
        self.length = 1.0

    def end(self) -> Matrix:
        """Return where the step ends."""
        whole = self.rows + self.step
        over = (self.ways * whole).sum(axis=1) <= 0
        ends = [np.where(over[:, np.newaxis], 0.0, whole)] if over.any() else []
        first = float((self.slope * self.step).sum())
        if self._gain(whole) > 0.1 * first and self._rise(1.0) > 0:
            self.length = self._lowest()
            there = self.rows + self.length * self.step
            without = there.copy()
            without[(_norms(there) / self.norms).argmin()] = 0.0
            ends.append(without if self._gain(without) <= 0.5 * self._gain(there) else there)
        else:
            ends.append(whole)
        return min(ends, key=self._gain)

    def _gain(self, after: Matrix) -> float:
        """Return by how much what is minimised changes: below 0 is a gain."""
        move = after - self.rows
        rest = (self.slope + 0.5 * self.A @ move) * move
        along = (self.ways * move).sum(axis=1)
        across = np.maximum((move * move).sum(axis=1) - along**2, 0.0)
        reach = self.norms + along
        ahead, size = reach > 0, np.sqrt(reach * reach + across)
        bent = np.where(ahead, across / np.where(ahead, size + reach, 1.0), size - reach)
        bent = np.where((after != 0).any(axis=1), bent, 0.0)
        return float(rest.sum() + self.l1 * bent.sum())

    def _rise(self, length: float) -> float:
        """Return the slope of what is minimised along the step, where it has this length."""
        there = self.rows + length * self.step
        size = _norms(there)[:, np.newaxis]
        ways = np.divide(there, size, out=np.zeros_like(there), where=size > 0)
        turn = self.l1 * (ways - self.ways)
        return float(((self.slope + length * self.A @ self.step + turn) * self.step).sum())

    def _lowest(self) -> float:
        """Return the length at which the step leads lowest."""
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._rise(middle) < 0 else (low, middle)
        return high


def _bend(A: Matrix, ways: Matrix, bends: Matrix) -> Matrix:
    """Return the second derivatives for several targets: A, and the bends of the norms."""
    k, t = ways.shape
    H = np.asarray(np.kron(A, np.eye(t)), np.float64).reshape(k, t, k, t)
    for i in range(k):
        H[i, :, i] += bends[i] * (np.eye(t) - np.outer(ways[i], ways[i]))
    return H.reshape(k * t, k * t)


def _solve_bent(H: Matrix, slope: Matrix) -> Matrix:
    """Return H⁻¹ slope, of a scaled H whose eigenvalues are not too small."""
    scale = np.sqrt(H.diagonal())
    values, V = np.linalg.eigh(H / scale / scale[:, np.newaxis])
    values = np.maximum(values, len(values) * _RIDGE)
    found: Matrix = V @ (V.T @ (slope.ravel() / scale) / values) / scale
    return found.reshape(slope.shape)


def _solve_symmetric(H: Matrix, slope: Matrix) -> tuple[Matrix, Matrix | None]:
    """Return H⁻¹ slope, and where H is singular but for rounding, v with H v = 0.

    Then the first is of least norm among those of the scaled H.
    """
    scale = np.sqrt(H.diagonal())
    values, V = np.linalg.eigh(H / scale / scale[:, np.newaxis])
    kept = values > len(values) * 8 * _UNIT * values[-1]
    found: Matrix = V[:, kept] @ (V[:, kept].T @ (slope / scale) / values[kept]) / scale
    return found, None if kept.all() else V[:, 0] / scale
