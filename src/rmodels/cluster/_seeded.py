"""What estimators share whose centres begin with rows."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.warnings import warn
from rmodels.cluster._centres import Centres, Matrix
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, on_host
from rmodels.solvers.lloyd import Extent
from rmodels.solvers.seeds import draw_plus_plus, draw_uniformly

__all__ = ["SeededCentres"]

_ALL_DIGITS = 16


class SeededCentres(Centres):
    """Centres that begin with rows drawn by `init`, of several runs the best."""

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    n_clusters: int
    init: Any
    n_init: int | str
    verbose: int
    _auto_runs: int  # of n_init="auto" where each begins elsewhere

    def _tell(self, text: str) -> None:
        """Print what happens, if that is asked for."""
        if self.verbose:
            print(text)

    def _is_array(self) -> bool:
        return not (isinstance(self.init, str) or callable(self.init))

    def _is(self, init: str) -> bool:
        return isinstance(self.init, str) and self.init == init

    def _count_runs(self) -> int:
        if self.n_init == "auto":
            return 1 if self._is_array() or self._is("k-means++") else self._auto_runs
        if self._is_array() and self.n_init != 1:
            warn(
                "Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={self.n_init}.",
                RuntimeWarning,
            )
            return 1
        return int(self.n_init)

    def _tell_of_weights(self, extent: Extent) -> None:
        """Warn if sums lose digits of the rows with the least weights."""
        if extent.digits < _ALL_DIGITS:
            span = extent.heaviest / extent.lightest
            warn(
                f"sample_weight spans a factor of {span:.0e}: a centre of no rows but those with "
                "the least weights has about "
                f"{max(0, int(extent.digits))} digits. Give such rows more weight, or 0",
                UserWarning,
            )

    def _check_count(self, n_samples: int) -> None:
        if n_samples < self.n_clusters:
            raise ValueError(f"n_samples={n_samples} should be >= n_clusters={self.n_clusters}.")

    def _starts(self, source: Source) -> Matrix | None:
        """Return the centres that were given, checked."""
        if not self._is_array():
            return None
        return self._check_centres(self.init, source, self.n_clusters)

    def _check_centres(self, given: Any, source: Source, n_clusters: int) -> Matrix:
        if sparse.issparse(given):
            given = given.toarray()
        centres: NDArray = check_array(on_host(adopt(given)), dtype=source.dtype)
        if len(centres) != n_clusters:
            raise ValueError(
                f"The shape of the initial centers {centres.shape} does not match the number of "
                f"clusters {n_clusters}."
            )
        if centres.shape[1] != source.n_features:
            raise ValueError(
                f"The shape of the initial centers {centres.shape} does not match the number of "
                f"features of the data {source.n_features}."
            )
        return centres.astype(np.float64)

    def _draw(
        self,
        rows: Source,
        n_clusters: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> Matrix:
        """Return centres to begin with, from a sample or from all rows."""
        assert isinstance(rows, Rows)
        if callable(self.init):
            given = self.init(on_host(rows.X), n_clusters, random_state=random_state)
            return self._check_centres(given, rows, n_clusters)
        if self._is("random"):
            return draw_uniformly(rows, n_clusters, random_state)
        return draw_plus_plus(rows, n_clusters, random_state, None, n_threads)[0]

    def _check_sample(self, sample: Source, n_clusters: int) -> None:
        """Raise if the rows that are drawn from are too few, as not all of them fit."""
        assert isinstance(sample, Rows)
        if sample.X.shape[0] < n_clusters:
            raise ValueError(
                f"a sample of {sample.X.shape[0]} rows is what memory_limit holds, and n_clusters="
                f"{n_clusters}: raise the limit, or give centres as init"
            )
