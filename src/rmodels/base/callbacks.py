"""scikit-learn's callbacks, where the installed version has them (1.9): each chunk is a task."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rmodels.base.sklearn import begin_callbacks
from rmodels.ops.chunks import observe

__all__ = ["CallbackSupport", "with_callbacks"]

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
    from sklearn.callback import with_callbacks as _manage
except ImportError:  # scikit-learn before 1.9

    class CallbackSupport:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def _manage(fit: Any) -> Any:
        return fit


def with_callbacks(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Tell an estimator's callbacks of the chunks that its `fit` works on.

    For an estimator that has callbacks. A callback cannot stop a fit.
    """

    @_manage
    def fit_and_report(self: Any, *args: Any, **kwargs: Any) -> Any:
        root = begin_callbacks(self)
        root.call_on_fit_task_begin(estimator=self)

        @contextmanager
        def chunk(task: str) -> Iterator[None]:
            context = root.subcontext(task_name=task)
            context.call_on_fit_task_begin(estimator=self)
            yield
            context.call_on_fit_task_end(estimator=self)

        with observe(chunk):
            fitted = fit(self, *args, **kwargs)
        root.call_on_fit_task_end(estimator=self)
        return fitted

    return fit_and_report
