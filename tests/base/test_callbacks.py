import contextlib
import io

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmodels import KNeighborsClassifier, LinearRegression
from rmodels.config import config_context
from rmodels.ops.chunks import chunks, observe

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9")


class Recorder:
    """A callback that writes down what it is told."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"end {context.task_name}")

    def teardown(self, estimator, context):
        self.events.append("teardown")


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80_000, 60))
    return X, X @ rng.standard_normal(60)


@pytest.mark.usefixtures("on_engine")
def test_each_chunk_is_a_task():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    recorder = Recorder()
    model = LinearRegression().set_callbacks(recorder).fit(X, X @ [1.0, 2.0, 3.0])
    assert recorder.events[:2] == ["setup", "begin fit"]
    assert recorder.events[-2:] == ["end fit", "teardown"]
    np.testing.assert_allclose(model.coef_, [1, 2, 3])
    tasks = recorder.events[2:-2]
    assert tasks[::2] == [f"begin {event[4:]}" for event in tasks[1::2]]


def test_a_long_fit_has_many(samples):
    recorder = Recorder()
    with config_context(n_threads=1):
        model = LinearRegression(solver="stream", learning_rate=1e-3, iterations=150)
        model.set_callbacks(recorder).fit(*samples)
    if model.engine_ == "native":
        assert recorder.events.count("end descent") > 1


def test_failure_tears_down(samples):
    recorder = Recorder()
    model = LinearRegression().set_callbacks(recorder)
    with pytest.raises(ValueError, match="NaN"):
        model.fit([[np.nan], [1.0]], [0.0, 1.0])
    assert recorder.events[-1] == "teardown"
    assert not hasattr(model, "coef_")
    assert not hasattr(model, "_callback_fit_ctx")


def test_clones_and_pipelines_keep_them():
    recorder = Recorder()
    model = KNeighborsClassifier(1).set_callbacks(recorder)
    clone(model).fit([[0.0], [1.0]], [0, 1])
    make_pipeline(StandardScaler(), model).fit([[0.0], [1.0]], [0, 1])
    assert recorder.events.count("setup") == 2


def test_scikit_learn_progress_bar(samples):
    with contextlib.redirect_stdout(io.StringIO()):
        model = LinearRegression().set_callbacks(callback.ProgressBar()).fit(*samples)
    assert model.coef_.shape == (60,)


def test_chunks_cover_the_range_inside_the_observer():
    seen = []

    @contextlib.contextmanager
    def observer(task):
        seen.append(f"in {task}")
        yield
        seen.append("out")

    with observe(observer):
        found = []
        for rows in chunks(10, 4, "work"):
            assert seen[-1] == "in work"
            found.append(rows)
    assert found == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert seen == ["in work", "out"] * 3
    assert list(chunks(3, 4, "work")) == [slice(0, 3)]
    assert list(chunks(0, 4, "work")) == []
    assert len(seen) == 6
