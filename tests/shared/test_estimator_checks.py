"""scikit-learn's checks of an estimator, on every engine."""

import pytest
from cases import CASES
from exceptions import EXCEPTIONS
from sklearn.utils.estimator_checks import estimator_checks_generator

from rmodels import native
from rmodels.config import config_context

ENGINES = ["reference", "native"] if native.load() is not None else ["reference"]


def _checks():
    for engine in ENGINES:
        for case in CASES:
            for estimator, check in estimator_checks_generator(case.make(), legacy=True):
                name = getattr(check, "func", check).__name__
                reason = EXCEPTIONS.get((name, case.name)) or EXCEPTIONS.get((name, str(case)))
                marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
                yield pytest.param(
                    engine, estimator, check, id=f"{engine}-{case}-{name}", marks=marks
                )


@pytest.mark.parametrize(("engine", "estimator", "check"), list(_checks()))
@pytest.mark.filterwarnings("ignore:cannot use tree with sparse input:UserWarning")
@pytest.mark.filterwarnings("ignore:X has rank:UserWarning")
@pytest.mark.filterwarnings("ignore:the moments of X are ill-conditioned")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimator(engine, estimator, check):
    with config_context(engine=engine):
        check(estimator)
