"""The peers: which are installed, and what they say when they hand the work to somebody else."""

import importlib.metadata
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rmodels_evidence.problem import PEER_MODULES

__all__ = ["fallbacks", "find_missing_peers", "is_installed", "version"]


def is_installed(peer: str) -> bool:
    """Return whether a peer of `PEER_MODULES` can be imported; "" stands for none."""
    return not peer or importlib.util.find_spec(PEER_MODULES[peer]) is not None


def find_missing_peers() -> tuple[str, ...]:
    """Return the peers that are not installed."""
    return tuple(peer for peer in PEER_MODULES if not is_installed(peer))


def version(distribution: str) -> str:
    """Return the version of an installed distribution, or "not installed"."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


class _Fallbacks(logging.Handler):
    """Keeps the messages that say that scikit-learn does the work."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "fallback" in message:
            self.messages.append(message)


@contextmanager
def fallbacks() -> Iterator[list[str]]:
    """Collect what scikit-learn-intelex logs when it leaves a call to scikit-learn.

    Yields
    ------
    list of str
        Filled while the block runs.
    """
    logger = logging.getLogger("sklearnex")
    handler = _Fallbacks()
    before = logger.level, logger.propagate, logger.handlers
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield handler.messages
    finally:
        logger.handlers = before[2]
        logger.setLevel(before[0])
        logger.propagate = before[1]
