"""Logistic regressions of folds under many penalties, and their scores."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.base.scores import check_weight
from rmodels.data import Rows, Source
from rmodels.data.source import Changed, Chosen
from rmodels.solvers.generalised import GeneralisedFit, fit, fit_path
from rmodels.solvers.lockstep import run_together
from rmodels.solvers.losses import Family, Penalties, read_sample

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

    def fit_rows(self, rows: Rows, training: list[NDArray]) -> Fits:
        """Return the fits of each fold, ratio and C, along paths."""
        order = np.argsort(self.Cs, kind="stable")
        found = []
        for train in training:
            part = rows.take(train)
            check_weight(part.weight)
            of_fold: list[list[GeneralisedFit]] = []
            for ratio in self.ratios:
                path = [self._penalise(float(C), ratio) for C in self.Cs[order]]
                fits = fit_path(part, self._family, path, **self._how)
                of_fold.append([fits[place] for place in np.argsort(order)])
            found.append(of_fold)
        self.reads += max(sum(f.reads for path in fold for f in path) for fold in found)
        return found

    def fit_source(self, source: Source, training: list[NDArray]) -> Fits:
        """Return the same, all searched side by side in the same reads."""
        n = source.number_rows()
        sample = read_sample(source, 0)
        searches = []
        for train in training:
            chosen = Chosen.of(train, n)
            for ratio in self.ratios:
                for C in self.Cs:
                    penalties = self._penalise(float(C), ratio)
                    searches.append(partial(self._fit_one, chosen, chosen(sample), penalties))
        found, reads = run_together(source, searches)
        self.reads += reads
        shape = len(training), len(self.ratios), len(self.Cs)
        each = iter(found)
        return [[[next(each) for _ in range(shape[2])] for _ in range(shape[1])] for _ in training]

    def _fit_one(
        self, chosen: Chosen, sample: Rows, penalties: Penalties, source: Source
    ) -> GeneralisedFit:
        part = Changed(source, chosen, source.n_targets, source.has_weights)
        return fit_path(part, self._family, [penalties], sample=sample, **self._how)[0]

    def fit_all(self, source: Source, ratio: int, C: int, start: Matrix) -> GeneralisedFit:
        """Return the fit of all rows under one of the penalties."""
        penalties = self._penalise(float(self.Cs[C]), self.ratios[ratio])
        return fit(source, self._family, penalties, start=start, **self._how)

    def score(self, source: Source, fits: Fits, tests: list[NDArray], *, by_losses: bool) -> Matrix:
        """Return the scores of folds, in one read: mean losses below 0, or accuracies."""
        n = source.number_rows()
        models = [
            (Chosen.of(test, n), np.array([[f.coefficients for f in path] for path in of_fold]))
            for test, of_fold in zip(tests, fits, strict=True)
        ]
        total = source.fold(partial(_add_scores, models, by_losses))
        self.reads += 1
        check_weight(float(total[..., 1].min()))
        scores: Matrix = total[..., 0] / total[..., 1]
        return scores


def _add_scores(
    models: list[tuple[Chosen, Matrix]], by_losses: bool, rows: Rows
) -> NDArray[np.float64]:
    """Return sums of scores of rows, and of their weights: (n_folds, n_l1_ratios, n_cs, 2)."""
    coefficients = models[0][1]
    total = np.zeros((len(models), *coefficients.shape[:2], 2))
    for block in rows.blocks(max(1, _MARGINS // coefficients[..., 0].size)):
        for sums, (chosen, of_fold) in zip(total, models, strict=True):
            _add_scores_of_fold(sums, of_fold, by_losses, chosen(block).on_host())
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
