"""The list of exceptions names what is there."""

from pathlib import Path

from cases import CASES
from exceptions import EXCEPTIONS
from sklearn.utils import estimator_checks

TESTS = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
NAMES = {case.name for case in CASES} | {str(case) for case in CASES}


def test_exceptions_name_tests_and_estimators():
    for (test, name), reason in EXCEPTIONS.items():
        assert f"def {test}(case" in TESTS or hasattr(estimator_checks, test)
        assert name in NAMES
        assert reason
