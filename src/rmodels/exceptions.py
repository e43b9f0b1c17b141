"""Errors that callers may want to tell from others."""

__all__ = ["NotCoveredError"]


class NotCoveredError(RuntimeError):
    """The engine asked for by name does not have what a call needs."""
