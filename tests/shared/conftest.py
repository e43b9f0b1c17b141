"""Tests of conventions, but for the exceptions, which must fail."""

import pytest
from exceptions import EXCEPTIONS


def pytest_collection_modifyitems(items):
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        for name in (str(case), getattr(case, "name", None)):
            reason = EXCEPTIONS.get((item.originalname, name)) if case else None
            if reason:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
