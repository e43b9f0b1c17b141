"""Settings of the calling thread: what computes, on how many threads, in how much memory."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

__all__ = [
    "check_n_jobs",
    "config_context",
    "current_settings",
    "get_config",
    "set_config",
    "thread_count",
]

ENGINES = ("auto", "reference", "native", "gpu")

_DEFAULTS: dict[str, Any] = {
    "engine": "auto",
    "n_threads": None,
    "memory_limit": 1 << 30,
    "progress": False,
}
_local = threading.local()


def _check(settings: dict[str, Any]) -> dict[str, Any]:
    engine = settings["engine"]
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    n_threads = settings["n_threads"]
    if n_threads is not None and (
        not isinstance(n_threads, Integral) or isinstance(n_threads, bool) or n_threads < 1
    ):
        raise ValueError(f"n_threads must be a positive integer or None; got {n_threads!r}")
    limit = settings["memory_limit"]
    if not isinstance(limit, Integral) or isinstance(limit, bool) or limit < 1 << 20:
        raise ValueError(f"memory_limit must be a number of bytes, at least 2**20; got {limit!r}")
    if not isinstance(settings["progress"], bool):
        raise ValueError(f"progress must be True or False; got {settings['progress']!r}")
    return settings


def current_settings() -> dict[str, Any]:
    """Return the thread's own settings, which nobody changes; `get_config` copies them.

    A new thread starts with the environment's.
    """
    settings: dict[str, Any] | None = getattr(_local, "settings", None)
    if settings is None:
        engine = os.environ.get("RMODELS_ENGINE") or "auto"
        if engine not in ENGINES:
            raise ValueError(
                f"the environment variable RMODELS_ENGINE must be one of {', '.join(ENGINES)}; "
                f"got {engine!r}"
            )
        settings = _local.settings = {**_DEFAULTS, "engine": engine}
    return settings


def get_config() -> dict[str, Any]:
    """Return a copy of the calling thread's settings.

    Returns
    -------
    dict
        The parameters of `set_config` and their values.

    Examples
    --------
    >>> import rmodels
    >>> sorted(rmodels.get_config())
    ['engine', 'memory_limit', 'n_threads', 'progress']
    """
    return dict(current_settings())


def set_config(
    *,
    engine: str | None = None,
    n_threads: int | str | None = "unchanged",
    memory_limit: int | None = None,
    progress: bool | None = None,
) -> None:
    """Change settings of the calling thread; what is left out stays as it is.

    Parameters
    ----------
    engine : {"auto", "reference", "native", "gpu"}, optional
        What computes. "auto" takes the fastest engine that can do the call where its data is. An
        engine asked for by name does the call or raises an error that says why it cannot. What no
        engine is written for (rare metrics, sparse data that does not fit as an array) NumPy and
        SciPy compute under "auto" and "reference"; then an estimator's `engine_` is "scipy". A new
        thread starts with the environment variable RMODELS_ENGINE, or "auto".
    n_threads : int or None, optional
        Most threads in a call; None means all processors that the process may use. Never more
        than the process's CPU affinity or OMP_NUM_THREADS allows.
    memory_limit : int, optional
        Bytes that the blocks of a call may take beyond its input, its result and a fitted index.
        The default is 2**30.
    progress : bool, optional
        Whether calls that last show a progress bar (needs rich). The default is False.

    Raises
    ------
    ValueError
        If a value is not among those above; then nothing changes.

    Examples
    --------
    >>> import rmodels
    >>> rmodels.set_config(n_threads=1)
    >>> rmodels.get_config()["n_threads"]
    1
    >>> rmodels.set_config(n_threads=None)
    """
    changes = {"engine": engine, "memory_limit": memory_limit, "progress": progress}
    merged = current_settings() | {
        name: value for name, value in changes.items() if value is not None
    }
    if n_threads != "unchanged":
        merged["n_threads"] = n_threads
    _local.settings = _check(merged)


@contextmanager
def config_context(**settings: Any) -> Iterator[None]:
    """Change settings of the calling thread inside a `with` block.

    Parameters
    ----------
    **settings
        The parameters of `set_config`, which says what they mean and raises what it raises.

    Examples
    --------
    >>> import rmodels
    >>> with rmodels.config_context(engine="reference"):
    ...     rmodels.NearestNeighbors().fit([[0.0], [1.0]]).engine_
    'reference'
    """
    before = get_config()
    set_config(**settings)
    try:
        yield
    finally:
        _local.settings = before


def _processors() -> int:
    """Return how many processors the process may use: CPU affinity and OMP_NUM_THREADS."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if openmp.isdigit() and int(openmp) > 0:
        allowed = min(allowed, int(openmp))
    return allowed


def _inside_joblib_thread() -> bool:
    """Return whether joblib runs this call beside others that share its processors.

    joblib's processes come with OMP_NUM_THREADS set to their share; its threads do not.
    """
    joblib = sys.modules.get("joblib")  # not imported: no workers
    if joblib is None or joblib.parallel.get_active_backend()[0].nesting_level in (None, 0):
        return False
    in_process = threading.current_thread() is threading.main_thread()
    return not (in_process and os.environ.get("OMP_NUM_THREADS"))


def check_n_jobs(n_jobs: int | None) -> None:
    """Raise an error if an estimator's `n_jobs` means no number of threads."""
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning: use None, a positive number or -1")


def thread_count(n_jobs: int | None = None) -> int:
    """Return how many threads a call may start.

    Parameters
    ----------
    n_jobs : int or None
        An estimator's `n_jobs`: a number of threads; -1 for all processors, -2 for all but one
        and so on; None for the setting `n_threads`, or 1 inside a thread of joblib's.

    Returns
    -------
    int
        At least 1, at most the processors that the process may use and the setting `n_threads`.

    Raises
    ------
    ValueError
        If `n_jobs` is 0.
    """
    check_n_jobs(n_jobs)
    allowed = _processors()
    n_threads = current_settings()["n_threads"]
    if n_threads is not None:
        allowed = min(allowed, n_threads)
    if n_jobs is None:
        return 1 if _inside_joblib_thread() else allowed
    if n_jobs < 0:
        return max(1, allowed + 1 + n_jobs)
    return min(allowed, n_jobs)
