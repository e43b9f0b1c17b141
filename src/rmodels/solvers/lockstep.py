"""Searches that read the same rows, side by side: each read answers all that wait for one."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rmodels.config import config_context, get_config
from rmodels.data import Rows, Source
from rmodels.data.source import Totals

__all__ = ["run_together"]

T = TypeVar("T")


class _StoppedError(Exception):
    """Another search failed."""


class _Reads:
    """Folds that searches ask for, and how far each of them is."""

    def __init__(self, count: int) -> None:
        self.changed = threading.Condition()
        self.running = count
        self.asked: dict[int, tuple[Callable[[Rows], Any], Callable[[Any, Any], Any]]] = {}
        self.answers: dict[int, Any] = {}
        self.stopped = False

    def ask(self, number: int, compute: Any, combine: Any) -> Any:
        """Return what a search asks for, after the read that answers it."""
        with self.changed:
            self.asked[number] = compute, combine
            self.changed.notify_all()
            self.changed.wait_for(lambda: number in self.answers or self.stopped)
            if self.stopped:
                raise _StoppedError
            return self.answers.pop(number)

    def end(self) -> None:
        """Have the others go on without a search that has ended."""
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def stop(self) -> None:
        """Have all searches end."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()


class _Shared(Source):
    """The rows of a source as one of the searches sees them."""

    def __init__(
        self, source: Source, reads: _Reads, number: int, totals: Totals, count: int
    ) -> None:
        self._reads, self._number, self._totals, self._count = reads, number, totals, count
        self.n_features, self.n_targets = source.n_features, source.n_targets
        self.one_target, self.dtype, self.classes = source.one_target, source.dtype, source.classes
        self.target_dtype, self.has_weights = source.target_dtype, source.has_weights

    @property
    def totals(self) -> Totals:
        """How many rows have a weight that is not 0, and Σ w."""
        return self._totals

    def number_rows(self) -> int:
        """Do nothing but return how many rows there are: they are numbered."""
        return self._count

    def fold(self, compute: Any, combine: Any = lambda a, b: a + b, **_: Any) -> Any:
        """Return what `compute` gives for all rows; see `Source.fold`."""
        return self._reads.ask(self._number, compute, combine)


def run_together(source: Source, searches: Sequence[Callable[[Source], T]]) -> tuple[list[T], int]:
    """Return what searches find, and how often all rows were read for them.

    Parameters
    ----------
    source : Source
        That is dear to read.
    searches : sequence of callable
        Of a source to fold. Each has a thread, which waits for the reads; these are made, and
        everything of the rows computed, by the thread of the caller.
    """
    reads, settings = _Reads(len(searches)), get_config()
    known = source.totals, source.number_rows()  # before threads ask for them
    found: list[Any] = [None] * len(searches)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            with config_context(**settings):
                found[number] = searches[number](_Shared(source, reads, number, *known))
        except _StoppedError:
            pass
        except BaseException as error:
            errors.append(error)
            reads.stop()
        finally:
            reads.end()

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(searches))]
    for thread in threads:
        thread.start()
    count = 0
    try:
        while True:
            with reads.changed:
                reads.changed.wait_for(lambda: len(reads.asked) == reads.running or reads.stopped)
                asked, reads.asked = reads.asked, {}
            if not asked or reads.stopped:
                break
            answers = _read(source, list(asked.values()))
            count += 1
            with reads.changed:
                reads.answers |= dict(zip(asked, answers, strict=True))
                reads.changed.notify_all()
    finally:
        reads.stop()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return found, count


def _read(source: Source, asked: list[tuple[Any, Any]]) -> list[Any]:
    """Return what several folds give, from one read."""
    computes, combines = [each for each, _ in asked], [each for _, each in asked]

    def compute(rows: Rows) -> list[Any]:
        return [each(rows) for each in computes]

    def combine(first: list[Any], second: list[Any]) -> list[Any]:
        return [each(a, b) for each, a, b in zip(combines, first, second, strict=True)]

    found: list[Any] = source.fold(compute, combine)
    return found
