"""Signals: Ctrl-C and SIGTERM end a command as users expect."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["answer_signals", "interruptible"]


@contextmanager
def answer_signals(*, alone: bool) -> Iterator[None]:
    """Have signals end the program as users expect.

    Until work begins there is nothing to clean up, and an exception in the middle of an import
    might be taken for another: Ctrl-C ends the program at once. Afterwards, see `interruptible`,
    it is an exception, as is SIGTERM: what is written in part is removed on the way out.
    """
    if not alone or threading.current_thread() is not threading.main_thread():
        yield
        return
    # what was ignored when the program began, as by nohup, stays so
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_now)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        # the program ends: another Ctrl-C does not change how
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt, in a program that is run."""
    if signal.getsignal(signal.SIGINT) is _end_now:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield


def _end_now(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"rmodels: interrupted\n")
    os._exit(130)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
