import sys

import pytest
import rich.progress

from rmodels.config import config_context
from rmodels.ops.chunks import chunks


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize(
    ("total", "step", "expected"),
    [
        (0, 5, []),
        (5, 5, [slice(0, 5)]),
        (4, 5, [slice(0, 4)]),
        (11, 5, [slice(0, 5), slice(5, 10), slice(10, 11)]),
    ],
)
def test_slices_cover_the_range(total, step, expected, progress):
    with config_context(progress=progress):
        assert list(chunks(total, step, "rows")) == expected


def test_progress_is_reported(monkeypatch):
    bars = []

    class Bar(rich.progress.Progress):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append(self)

    monkeypatch.setattr(rich.progress, "Progress", Bar)
    with config_context(progress=True):
        seen = [bars[0].tasks[0].completed for _ in chunks(11, 5, "rows of X")]
    assert seen == [0, 5, 10]
    (task,) = bars[0].tasks
    assert (task.description, task.total, task.completed) == ("rows of X", 11, 11)


def test_a_bar_without_rich_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with config_context(progress=True):
        assert list(chunks(5, 5, "rows")) == [slice(0, 5)]
        with pytest.raises(ImportError, match=r"pip install 'rmodels\[progress\]'"):
            list(chunks(6, 5, "rows"))
    assert len(list(chunks(6, 5, "rows"))) == 2
