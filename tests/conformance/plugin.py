"""Pytest plugin: scikit-learn's own tests meet the estimators of rmodels.

The estimators are put in place when the plugin is loaded, before pytest imports scikit-learn's
test modules.
"""

import functools
from collections import Counter
from fnmatch import fnmatchcase

import pytest
from expected_failures import EXPECTED_FAILURES

import rmodels

rmodels.patch_sklearn()

# Each test of these modules runs; of test_common.py, those of LinearRegression.
ONE_OF_MANY = "linear_model/tests/test_common.py"

fits: Counter[str] = Counter()


def _count_fits(name):
    """Count the fits of an estimator by the engine that served them."""
    estimator = getattr(rmodels, name)
    if not isinstance(estimator, type):
        return
    fit = estimator.fit

    @functools.wraps(fit)
    def counted(self, *args, **kwargs):
        fitted = fit(self, *args, **kwargs)
        fits[f"{name} on {self.engine_}"] += 1
        return fitted

    estimator.fit = counted


for _name in rmodels.patched():
    _count_fits(_name)


def pytest_collection_modifyitems(config, items):
    chosen, others = [], []
    for item in items:
        theirs = ONE_OF_MANY in item.nodeid and "LinearRegression" not in item.nodeid
        (others if theirs else chosen).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=others)
    for item in chosen:
        for name in rmodels.patched():
            held = getattr(item.module, name, None)
            if held is not None and not held.__module__.startswith("rmodels"):
                raise pytest.UsageError(f"{item.nodeid} tests scikit-learn's own {name}")
        for pattern, reason in EXPECTED_FAILURES.items():
            if fnmatchcase(item.nodeid, "sklearn/" + pattern.replace("[", "[[]", 1)):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["fits"] = dict(fits)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    fits.update(getattr(node, "workeroutput", {}).get("fits", {}))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("skipped by scikit-learn")
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5}  {reason}")
    terminalreporter.section("expected failures")
    for report in terminalreporter.stats.get("xfailed", []):
        whose = "ours" if report.wasxfail in EXPECTED_FAILURES.values() else "scikit-learn's"
        terminalreporter.line(f"{whose}: {report.nodeid}: {report.wasxfail}")
    terminalreporter.section("fits by engine")
    for name, count in sorted(fits.items()):
        terminalreporter.line(f"{count:5}  {name}")
