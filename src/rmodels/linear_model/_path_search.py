"""Logistic regressions of folds under many penalties, and their scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.base.scores import check_weight
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.data.source import Chosen
from rmodels.solvers.generalised import GeneralisedFit, fit, fit_folds
from rmodels.solvers.losses import Family, Penalties

__all__ = ["Fits", "PathSearch"]

Matrix = NDArray[np.float64]
Fits = list[list[list[GeneralisedFit]]]  # of each fold, ratio and C

_MARGINS = 1 << 20  # of all models at a time
_EPSILON = np.finfo(np.float64).eps


class PathSearch:
    """Fits of all folds under all penalties, and their scores.

    Attributes
    ----------
    ratios : list of float
    Cs : ndarray of shape (n_cs,)
    reads : int
        How often all rows were read.
    """

    def __init__(
        self,
        family: Family,
        ratios: list[float],
        Cs: Matrix,
        penalise: Callable[[float, float], Penalties],
        **how: Any,
    ) -> None:
        self.ratios, self.Cs, self.reads = ratios, Cs, 0
        self._family, self._penalise, self._how = family, penalise, how

    def fit(self, source: Source, training: list[NDArray]) -> Fits:
        """Return the fits of each fold, ratio and C, all in the same reads.

        Of rows in memory, each C leads to the next; other rows are dear to read, and each C is
        searched for itself.
        """
        order = np.argsort(self.Cs, kind="stable")
        places = [order.tolist()] if isinstance(source, Rows) else [[c] for c in order.tolist()]
        paths = [(ratio, place) for ratio in range(len(self.ratios)) for place in places]
        penalties = [
            [self._penalise(float(self.Cs[c]), self.ratios[ratio]) for c in place]
            for ratio, place in paths
        ]
        found = self._fit_folds(source, training, penalties)
        fits: Fits = []
        for of_fold in found:
            each: dict[tuple[int, int], GeneralisedFit] = {}
            for (ratio, place), of_path in zip(paths, of_fold, strict=True):
                each |= {(ratio, c): one for c, one in zip(place, of_path, strict=True)}
            fits.append(
                [[each[r, c] for c in range(len(self.Cs))] for r in range(len(self.ratios))]
            )
        return fits

    def _fit_folds(
        self, source: Source, training: list[NDArray], penalties: list[list[Penalties]]
    ) -> Fits:
        n = source.number_rows()
        folds = [Chosen.of(train, n).mask for train in training]
        if list(map(len, training)) != [np.count_nonzero(fold) for fold in folds]:
            return self._fit_repeated(source, training, penalties)
        weights = self._weigh(source, folds)
        found, reads = fit_folds(source, self._family, penalties, folds, weights, **self._how)
        self.reads += reads
        return found

    def _fit_repeated(
        self, source: Source, training: list[NDArray], penalties: list[list[Penalties]]
    ) -> Fits:
        """Fit the rows of each fold alone, some of which count more than once."""
        if not isinstance(source, Rows):
            raise ValueError(
                "cv names a row twice in a training set, which needs X as an array: here each row "
                "may count once. Give it a sample_weight"
            )
        found = []
        for train in training:
            rows = source.take(train)
            everyone = [np.ones(len(train), dtype=bool)]
            weights = self._weigh(rows, everyone)
            fits, reads = fit_folds(rows, self._family, penalties, everyone, weights, **self._how)
            found += fits
            self.reads += reads
        return found

    def _weigh(self, source: Source, folds: list[NDArray[np.bool_]]) -> list[float]:
        """Return Σ w of each fold's rows; of rows that are not in memory in a read."""
        if source.has_weights:
            found = source.fold(partial(_add_weights, folds)).tolist()
            self.reads += not isinstance(source, Rows)
        else:
            found = [float(np.count_nonzero(fold)) for fold in folds]
        check_weight(min(found))
        return list(found)

    def fit_all(self, source: Source, ratio: int, C: int, start: Matrix) -> GeneralisedFit:
        """Return the fit of all rows under one of the penalties."""
        penalties = self._penalise(float(self.Cs[C]), self.ratios[ratio])
        return fit(source, self._family, penalties, start=start, **self._how)

    def score(self, source: Source, fits: Fits, tests: list[NDArray], *, by_losses: bool) -> Matrix:
        """Return the scores of folds, in one read: mean losses below 0, or accuracies."""
        n = source.number_rows()
        models = [
            (_Named.of(test, n), np.array([[f.coefficients for f in path] for path in of_fold]))
            for test, of_fold in zip(tests, fits, strict=True)
        ]
        total = source.fold(partial(_add_scores, models, by_losses))
        self.reads += 1
        check_weight(float(total[..., 1].min()))
        scores: Matrix = total[..., 0] / total[..., 1]
        return scores


@dataclass(frozen=True, eq=False)
class _Named:
    """What takes the rows that a splitter names, each as often as it does."""

    chosen: Chosen
    counts: NDArray[np.intp] | None

    @classmethod
    def of(cls, places: NDArray, n_samples: int) -> "_Named":
        chosen = Chosen.of(places, n_samples)
        if len(places) == np.count_nonzero(chosen.mask):
            return cls(chosen, None)
        return cls(chosen, np.bincount(places, minlength=n_samples))

    def __call__(self, rows: Rows) -> Rows:
        """Return those that are here: what is named twice weighs twice as much."""
        found = self.chosen(rows).on_host()
        if self.counts is None:
            return found
        here = self.counts[rows.first : rows.first + rows.X.shape[0]]
        times = here[here > 0].astype(np.float64)
        return replace(found, weights=times if found.weights is None else times * found.weights)


def _add_weights(folds: list[NDArray[np.bool_]], rows: Rows) -> Matrix:
    here = slice(rows.first, rows.first + rows.X.shape[0])
    w = on_host(rows.weights)
    return np.array([w[fold[here]].sum(dtype=np.float64) for fold in folds])


def _add_scores(
    models: list[tuple[_Named, Matrix]], by_losses: bool, rows: Rows
) -> NDArray[np.float64]:
    """Return sums of scores of rows, and of their weights: (n_folds, n_l1_ratios, n_cs, 2)."""
    coefficients = models[0][1]
    total = np.zeros((len(models), *coefficients.shape[:2], 2))
    for block in rows.blocks(max(1, _MARGINS // coefficients[..., 0].size)):
        for sums, (named, of_fold) in zip(total, models, strict=True):
            _add_scores_of_fold(sums, of_fold, by_losses, named(block))
    return total


def _add_scores_of_fold(sums: Matrix, coefficients: Matrix, by_losses: bool, rows: Rows) -> None:
    n, codes = rows.X.shape[0], rows.Y[:, 0].astype(np.intp)
    w = np.ones(n) if rows.weights is None else rows.weights.astype(np.float64)
    theta = coefficients.reshape(-1, coefficients.shape[-1])
    margins = np.asarray(rows.X @ theta[:, :-1].T, dtype=np.float64) + theta[:, -1]
    margins = np.moveaxis(margins.reshape(n, *coefficients.shape[:-1]), 0, 2)
    for place in np.ndindex(sums.shape[:2]):
        m = margins[place]
        if by_losses:
            sums[place] += -(w @ _lose(m, codes)), w.sum()
        else:
            told = m.argmax(axis=1) if m.shape[1] > 1 else m[:, 0] > 0
            sums[place] += w @ (told == codes), w.sum()


def _lose(margins: Matrix, codes: NDArray[np.intp]) -> Matrix:
    """Return −log p of the classes, p as scikit-learn's score has it: between ε and 1 − ε."""
    if margins.shape[1] == 1:
        a = np.where(codes > 0, -margins[:, 0], margins[:, 0])
        losses = np.maximum(a, 0) + np.log1p(np.exp(-abs(a)))
    else:
        top = margins.max(axis=1)
        shares = np.exp(margins - top[:, np.newaxis]).sum(axis=1)
        losses = np.log(shares) + (top - margins[np.arange(len(codes)), codes])
    return np.clip(losses, _EPSILON, -np.log(_EPSILON))
