"""k-means by mini-batches: centres are running means of the rows that were nearest to them.

The arithmetic is that of scikit-learn, a row after the other, in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Rows
from rmodels.data.arrays import join, on_host
from rmodels.solvers.lloyd import measure_rows
from rmodels.solvers.moments import as_array

__all__ = ["MiniBatches", "Progress"]

Matrix = NDArray[np.float64]

_NUMBERS = 1 << 20  # of rows that are added at once
_ROWS_OF_A_CENTRE = 10  # after which centres of little weight are looked for
_MOST_MOVED = 0.5  # of the rows of a batch that become centres


@dataclass
class MiniBatches:
    """Centres, and what they are the means of.

    Attributes
    ----------
    centres : ndarray of shape (n_clusters, n_features)
    weights : ndarray of shape (n_clusters,)
        Σ w of the rows that each is the mean of.
    since : int
        Rows since centres of little weight were last looked for.
    batch_size : int
        Rows that a batch counts as.
    ratio : float
        Centres with less than this times the largest weight begin anew at rows of the batch.
    random_state : RandomState
        Draws these rows.
    n_threads : int or None
    tell : callable
        Is told of centres that begin anew.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.mini_batches import MiniBatches
    >>> found = MiniBatches(np.array([[0.0], [8.0]]), np.zeros(2), 0, 3, 0.0, np.random)
    >>> found.step(Rows(np.array([[1.0], [9.0], [10.0]])))
    6.0
    >>> found.centres.ravel(), found.weights
    (array([1. , 9.5]), array([1., 2.]))
    """

    centres: Matrix
    weights: Matrix
    since: int
    batch_size: int
    ratio: float
    random_state: np.random.RandomState
    n_threads: int | None = None
    tell: Callable[[str], None] = lambda text: None

    def step(self, rows: Rows) -> float:
        """Follow the rows of a batch, and return Σ w ‖x − m‖² of them before that."""
        due = self._is_due()
        ends = measure_rows(rows, self.centres, self.n_threads)
        self._add(rows, on_host(join(ends.labels)))
        if due and self.ratio > 0:
            self._begin_anew(rows)
        return ends.inertia.value

    def _is_due(self) -> bool:
        """Return whether centres of little weight are looked for: at least if one has none."""
        self.since += self.batch_size
        due = self.since >= _ROWS_OF_A_CENTRE * len(self.centres) or bool((self.weights == 0).any())
        if due:
            self.since = 0
        return due

    def _add(self, rows: Rows, labels: NDArray[np.int32]) -> None:
        """Have each centre be the mean of its rows so far and these, which are added in order."""
        k, d = self.centres.shape
        w = on_host(rows.weights)
        added = np.bincount(labels, w, minlength=k).astype(np.float64)
        sums: NDArray = (self.centres * self.weights[:, np.newaxis]).ravel()
        numbers, columns = np.arange(k * d), np.arange(d)
        step = max(1, _NUMBERS // max(1, d))
        for first in range(0, len(labels), step):
            here = slice(first, first + step)
            X = as_array(rows.X[here]).astype(np.float64)
            if w is not None:
                X = X * w[here, np.newaxis]
            places = labels[here, np.newaxis] * np.int64(d) + columns
            sums = np.bincount(
                np.concatenate([numbers, places.ravel()]),
                np.concatenate([sums, X.ravel()]),
                minlength=k * d,
            )
        moved = added > 0
        weights = self.weights + added
        centres = self.centres.copy()
        centres[moved] = sums.reshape(k, d)[moved] * (1 / weights[moved])[:, np.newaxis]
        self.centres, self.weights = centres, weights

    def _begin_anew(self, rows: Rows) -> None:
        """Put centres of little weight on rows of the batch; those with the least, if too many."""
        n = rows.X.shape[0]
        light = self.weights < self.ratio * self.weights.max()
        if light.sum() > _MOST_MOVED * n:
            light[np.argsort(self.weights, kind="stable")[int(_MOST_MOVED * n) :]] = False
        count = int(light.sum())
        if not count:
            return
        if light.all():
            raise ValueError(
                f"reassignment_ratio={self.ratio} leaves no centre where it is: it must be at most "
                "1"
            )
        drawn = self.random_state.choice(n, replace=False, size=count)
        self.tell(f"[MiniBatchKMeans] Reassigning {count} cluster centers.")
        self.centres[light] = as_array(rows.X[drawn])
        self.weights[light] = self.weights[~light].min()


class Progress:
    """Tells when batches bring no more: by the moves of centres, or by a mean of the inertia.

    Parameters
    ----------
    n_samples, batch_size, n_steps : int
    tol : float
        Batches end where the squares of the moves of all centres add up to no more; 0: never.
    patience : int or None
        They end as well after so many without a lower mean.
    tell : callable
        Is told of each batch.

    Attributes
    ----------
    mean : float or None
        The exponentially weighted mean of the inertia a row, without the first batch.

    Examples
    --------
    >>> from rmodels.solvers.mini_batches import Progress
    >>> progress = Progress(4, 2, 10, 0.0, 1)
    >>> [progress.ends(step, 0.0, inertia) for step, inertia in enumerate([9.0, 4.0, 6.0], 1)]
    [False, False, True]
    >>> round(progress.mean, 2)
    2.8
    """

    def __init__(
        self,
        n_samples: int,
        batch_size: int,
        n_steps: int,
        tol: float,
        patience: int | None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._batch_size, self._n_steps = batch_size, n_steps
        self._share = min(batch_size * 2.0 / (n_samples + 1), 1)
        self._tol, self._patience, self._tell = tol, patience, tell
        self.mean: float | None = None
        self._least: float | None = None
        self._waited = 0

    def ends(self, step: int, moved: float, inertia: float) -> bool:
        """Return whether batches end.

        Parameters
        ----------
        step : int
            The number of the batch, from 1.
        moved : float
            Of all centres, squared.
        inertia : float
            Of the batch, before it.
        """
        inertia /= self._batch_size
        said = f"Minibatch step {step}/{self._n_steps}: mean batch inertia: {inertia}"
        if step == 1:  # it is of the centres that were begun with
            self._tell(said)
            return False
        if self.mean is None:
            self.mean = inertia
        else:
            self.mean = self.mean * (1 - self._share) + inertia * self._share
        self._tell(f"{said}, ewa inertia: {self.mean}")
        place = f"at step {step}/{self._n_steps}"
        if self._tol > 0.0 and moved <= self._tol:
            self._tell(f"Converged (small centers change) {place}")
            return True
        if self._least is None or self.mean < self._least:
            self._waited, self._least = 0, self.mean
        else:
            self._waited += 1
        if self._patience is not None and self._waited >= self._patience:
            self._tell(f"Converged (lack of improvement in inertia) {place}")
            return True
        return False
