"""scikit-learn's checks of an estimator: all of a case in one test, which tells each that fails."""

import re

import pytest
from cases import CASES, EXAMPLES
from exceptions import EXCEPTIONS
from sklearn.utils.estimator_checks import check_estimator

from rmodels import native
from rmodels.config import config_context

# No estimator asks which engine it has. So the reference engine, which is slow, meets them with the
# examples alone; the contracts in tests/ops, and each case saved and loaded, meet it otherwise.
RUNS = [("reference", case) for case in EXAMPLES]
if native.load() is not None:
    RUNS += [("native", case) for case in CASES]

SKIPPED = re.compile(r"SCIPY_ARRAY_API is not set|does not have a \w+ method")


@pytest.mark.parametrize(("engine", "case"), RUNS, ids=str)
@pytest.mark.filterwarnings("ignore:cannot use tree with sparse input:UserWarning")
@pytest.mark.filterwarnings("ignore:X has rank:UserWarning")
@pytest.mark.filterwarnings("ignore:the moments of X are ill-conditioned")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimator(engine, case):
    expected = {
        check: reason
        for (check, name), reason in EXCEPTIONS.items()
        if name in (case.name, str(case))
    }
    with config_context(engine=engine):
        results = check_estimator(
            case.make(), expected_failed_checks=expected, on_skip=None, on_fail=None
        )
    faults = [each["exception"] for each in results if each["status"] == "failed"]
    if faults:
        raise ExceptionGroup(f"{case} on the engine {engine}", faults)
    passed = {each["check_name"] for each in results if each["status"] == "passed"}
    assert not passed & expected.keys()
    assert all(SKIPPED.search(str(e["exception"])) for e in results if e["status"] == "skipped")
    assert len(passed) > 30
