"""Pytest plugin: scikit-learn's own tests meet the estimators of rmodels.

The estimators are put in place when the plugin is loaded, before pytest imports scikit-learn's
test modules. Every fit must be served by the engine of the run, or by SciPy where the engine does
not have what the fit needs.
"""

import functools
import os
from collections import Counter, defaultdict
from fnmatch import fnmatchcase

import numpy as np
import pytest
from expected_failures import EXPECTED_FAILURES
from scipy import sparse
from sklearn import linear_model

import rmodels
from rmodels.catalogue import CATALOGUE

# scikit-learn's tests make their data by a private method of these.
_OF_TWEEDIE = {
    name: getattr(linear_model, name)
    for name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor")
}

rmodels.patch_sklearn()

# Each test of the modules runs; of test_common.py, those of an estimator of ours.
ONE_OF_MANY = "linear_model/tests/test_common.py"

ENGINE = os.environ["CONFORMANCE_ENGINE"]
METRICS = {"chebyshev", "cityblock", "cosine", "euclidean", "infinity", "l1", "l2", "manhattan"}
METRICS |= {"minkowski", "p"}

# What takes minutes on the reference engine, which makes each step in Python.
LONG = {
    "sklearn/linear_model/tests/test_sgd.py::test_balanced_weight[[]*]": (
        "two million steps, one by one in Python: left to the native engine"
    ),
    "sklearn/linear_model/tests/test_sgd.py::test_sgd_oneclass_vs_linear_oneclass*": (
        "three million steps, one by one in Python: left to the native engine"
    ),
    "sklearn/linear_model/tests/test_sgd.py::test_SGDClassifier_fit_for_all_backends[[]*]": (
        "hundreds of thousands of steps of 20 classes in Python: left to the native engine"
    ),
    "sklearn/linear_model/tests/test_logistic.py::*elastic_net*": (
        "hundreds of searches by coordinate descent in Python: left to the native engine"
    ),
}

# What ours passes or fails by chance.
CHANCE = {
    "sklearn/linear_model/tests/test_logistic.py::test_logistic_regression_callback_support[[]*": (
        "wants a task for each iteration of lbfgs; ours tells of chunks of rows, which on one "
        "engine are as many, and on another none"
    ),
    "sklearn/linear_model/tests/test_logistic.py::test_logreg_l1[[]*": (
        "two columns are constant, and alike: either may have the coefficient"
    ),
}

# In a short run, the reference engine meets each test with some of its parameters: in tests/ops it
# is held to the native engine, which meets them all.
SHORT = bool(os.environ.get("CONFORMANCE_SHORT")) and ENGINE == "reference"

fits: Counter[str] = Counter()
problems: set[str] = set()  # what makes the run fail though every test passes


def _has_the_engine(family, estimator, X):
    """Return whether the engines of rmodels are written for what a fit needs."""
    if sparse.issparse(X):
        return False
    if family == "decomposition":  # of many columns, by products with the rows
        return max(np.shape(X)) <= 500
    if family in ("discriminant_analysis", "naive_bayes"):
        return True
    if family == "impute":
        return not callable(estimator.metric)
    if family == "linear_model":
        return not getattr(estimator, "positive", False)
    if not hasattr(estimator, "metric_params"):  # centroids
        return True
    weighted = "w" in (estimator.metric_params or {})
    is_points = not hasattr(X, "get_params") and type(X).__name__ not in ("BallTree", "KDTree")
    return is_points and estimator.metric in METRICS and not weighted


def _watch_fits(name):
    """Count the fits of an estimator by the engine that served them; fail on the wrong one."""
    estimator = getattr(rmodels, name)
    if not isinstance(estimator, type):
        return
    fit = estimator.fit

    @functools.wraps(fit)
    def watched(self, X, *args, **kwargs):
        fitted = fit(self, X, *args, **kwargs)
        allowed = (
            {ENGINE} if _has_the_engine(CATALOGUE[name].family, self, X) else {ENGINE, "scipy"}
        )
        assert self.engine_ in allowed, f"{self!r} was fitted by {self.engine_}, not {ENGINE}"
        fits[f"{name} on {self.engine_}"] += 1
        return fitted

    estimator.fit = watched


_NAMES = list(rmodels.patched())
for _name in _NAMES:
    _watch_fits(_name)


def _loss_of_theirs(model):
    """Return scikit-learn's loss of a model of ours."""
    return _OF_TWEEDIE[type(model).__name__](**model.get_params())._get_loss()


for _name in _OF_TWEEDIE:
    getattr(rmodels, _name)._get_loss = _loss_of_theirs


def _is_ours(item):
    """Return whether a parameter of a test is an estimator of ours, or a class of them."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    kinds = (value if isinstance(value, type) else type(value) for value in values)
    return any(kind.__module__.startswith("rmodels") for kind in kinds)


def _choose_parameters(items):
    """Return of each test those with its first, middle and last parameters, and what is left out.

    Those of many estimators are all kept.
    """
    tests = defaultdict(list)
    for item in items:
        tests[item.nodeid.partition("[")[0]].append(item)
    kept = {
        item
        for name, own in tests.items()
        for item in (own if ONE_OF_MANY in name else (own[0], own[len(own) // 2], own[-1]))
    }
    return [item for item in items if item in kept], [item for item in items if item not in kept]


def pytest_collection_modifyitems(config, items):
    chosen, others = [], []
    for item in items:
        theirs = ONE_OF_MANY in item.nodeid and not _is_ours(item)
        (others if theirs else chosen).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=others)
    if not any(ONE_OF_MANY in item.nodeid for item in chosen):
        problems.add(f"no test of {ONE_OF_MANY} is of an estimator of ours")
    for module in {item.module for item in chosen}:
        own = {"rmodels", module.__name__}  # a test may make ours by a function of its own
        for name in _NAMES:
            held = getattr(module, name, None)
            if held is not None and not {held.__module__, held.__module__.split(".")[0]} & own:
                problems.add(f"{module.__name__} tests scikit-learn's own {name}")
    missing = dict(EXPECTED_FAILURES)
    expected = defaultdict(list)  # by the file of a test
    for pattern, reason in EXPECTED_FAILURES.items():
        whole = "sklearn/" + pattern.replace("[", "[[]", 1)
        expected[whole.partition("::")[0]].append((pattern, whole, reason))
    for item in chosen:
        for pattern, reason in LONG.items():
            if ENGINE == "reference" and fnmatchcase(item.nodeid, pattern):
                item.add_marker(pytest.mark.skip(reason=reason))
        for pattern, reason in CHANCE.items():
            if fnmatchcase(item.nodeid, pattern):
                item.add_marker(pytest.mark.skip(reason=reason))
        for pattern, whole, reason in expected[item.nodeid.partition("::")[0]]:
            if fnmatchcase(item.nodeid, whole):
                missing.pop(pattern, None)
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    problems.update(f"no test is {pattern}, which is expected to fail" for pattern in missing)
    if SHORT:
        items[:], left_out = _choose_parameters(items)
        config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session):
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["fits"], output["problems"] = dict(fits), list(problems)
        return
    for name in _NAMES:
        if isinstance(getattr(rmodels, name), type) and not fits[f"{name} on {ENGINE}"]:
            problems.add(f"no test fitted {name} on the engine {ENGINE}")
    if problems:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    output = getattr(node, "workeroutput", {})
    fits.update(output.get("fits", {}))
    problems.update(output.get("problems", []))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("skipped")
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
    for problem in sorted(problems):
        terminalreporter.line(f"FAILED: {problem}", red=True)
