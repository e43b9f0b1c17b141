"""The ladder of stochastic gradient descent."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model as peers
from sklearn.utils import check_random_state

import rmodels
from rmodels.native import in_use
from rmodels_evidence import native
from rmodels_evidence.families.linear_model.stochastic import (
    StochasticData,
    fit_steps,
    generate_numbers,
)
from rmodels_evidence.ladder import call_on
from rmodels_evidence.problem import Agreement, Answers, Contender, Options, Problem, Work

__all__ = ["stochastic_ladder"]

_PYTHON_ROWS, _NUMPY_ROWS = 2_000, 20_000
_EPOCHS = 5
_ETA0, _ALPHA = 0.01, 1e-4  # as by default
_AHEAD = 16
_SEED = 0


def _order_seed() -> int:
    """Return the seed of the order that a `random_state` of 0 gives."""
    return int(check_random_state(_SEED).randint(0, np.iinfo(np.int32).max))


def _python_loops(data: StochasticData) -> Callable[[], NDArray]:
    """Return a call of one epoch over the first rows, in their order, with no array in sight."""
    rows, targets = data.X[:_PYTHON_ROWS].tolist(), data.y[:_PYTHON_ROWS].tolist()

    def run() -> NDArray:
        coefficients, intercept, t = [0.0] * len(rows[0]), 0.0, 1.0
        for row, target in zip(rows, targets, strict=True):
            prediction = intercept
            for coefficient, value in zip(coefficients, row, strict=True):
                prediction += coefficient * value
            eta = _ETA0 / t**0.25
            step = eta * (target - prediction)
            for column, value in enumerate(row):
                coefficients[column] += step * value - eta * _ALPHA * coefficients[column]
            intercept += step
            t += 1
        return np.array([*coefficients, intercept])

    return run


def _fit(data: StochasticData, estimator: Any, **given: Any) -> Callable[[], NDArray]:
    return partial(fit_steps, estimator, data, tol=None, random_state=_SEED, **given)


def _fit_first(data: StochasticData) -> Callable[[], NDArray]:
    first = StochasticData(data.X[:_NUMPY_ROWS], data.y[:_NUMPY_ROWS])
    return _fit(first, rmodels.SGDRegressor, max_iter=1)


def _by_rows(data: StochasticData, *, wide: bool, ahead: int) -> Callable[[], NDArray]:
    """Return a call of all epochs as a textbook writes them, in C++."""
    extension = native.load()
    assert extension is not None

    def run() -> NDArray:
        found = np.zeros(data.X.shape[1] + 1)
        extension.descend_by_rows(
            data.X, data.y, _ETA0, _ALPHA, _EPOCHS, _order_seed(), wide, ahead, found
        )
        return found

    return run


def _check(
    data: StochasticData, answers: Answers, rows: int | None = None, **given: Any
) -> Mapping[Contender, Agreement]:
    """Compare coefficients with those of scikit-learn's steps over the first rows."""
    first = StochasticData(data.X[:rows], data.y[:rows])
    truth = _fit(first, peers.SGDRegressor, **given)()
    return {
        contender: Agreement(
            float(abs(answer - truth).max() / abs(truth).max()),
            1e-10,
            "relative error of a coefficient",
        )
        for contender, answer in answers.items()
    }


def stochastic_ladder(options: Options) -> Problem:
    """Return the ladder, one idea a rung, scikit-learn's mark last."""
    n = options.rows(200_000)
    few, some = min(_PYTHON_ROWS, n), min(_NUMPY_ROWS, n)
    epochs = partial(_check, max_iter=_EPOCHS)

    def textbook(name: str, *, wide: bool, ahead: int) -> Contender:
        return Contender(
            f"C++, {name}",
            partial(_by_rows, wide=wide, ahead=ahead),
            True,
            note="1 thread",
            unavailable="" if native.load() else f"not measured: {native.ABSENT}",
        )

    chosen = in_use()
    rungs = []
    if chosen is not None:
        rungs = [
            textbook("scalar", wide=False, ahead=0),
            textbook("rows fetched ahead, scalar", wide=False, ahead=_AHEAD),
            textbook(f"rows fetched ahead, {chosen}", wide=True, ahead=_AHEAD),
            Contender(
                f"SGDRegressor, {chosen}: four rows together, the objective watched",
                partial(
                    call_on,
                    prepare=partial(_fit, estimator=rmodels.SGDRegressor, max_iter=_EPOCHS),
                    engine="native",
                ),
                True,
                note="1 thread",
            ),
        ]
    return Problem(
        "ladder-stochastic",
        f"stochastic gradient descent {n:,} × 40, {_EPOCHS} epochs",
        "ladder",
        partial(generate_numbers, n, 40),
        (
            Contender(
                "Python loops",
                _python_loops,
                True,
                portion=few / n / _EPOCHS,
                note=f"1 of {_EPOCHS} epochs over {few:,} of {n:,} rows",
                check=partial(_check, rows=few, max_iter=1, shuffle=False),
            ),
            Contender(
                "NumPy reference",
                partial(call_on, prepare=_fit_first, engine="reference"),
                True,
                portion=some / n / _EPOCHS,
                note=f"1 of {_EPOCHS} epochs over {some:,} of {n:,} rows",
                check=partial(_check, rows=some, max_iter=1),
            ),
            *rungs,
            Contender(
                "SGDRegressor of scikit-learn",
                partial(_fit, estimator=peers.SGDRegressor, max_iter=_EPOCHS),
                mark=True,
            ),
        ),
        epochs,
        work=Work(n * 40 * 8 * _EPOCHS, n * 40 * 3 * _EPOCHS, "float64"),
        seconds=30.0,
    )
