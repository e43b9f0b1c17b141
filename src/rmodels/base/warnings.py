"""Warnings that name the line of the program that called."""

import sys
import warnings

__all__ = ["warn"]

# Between the caller and the place that warns: the package, what calls it for the caller (pipelines,
# searches, exports), and what it calls itself through (callbacks, checks of parameters).
_BETWEEN = {"rmodels", "sklearn", "joblib", "contextlib", "skl2onnx"}


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn of something, at the innermost line that is not of the package or of scikit-learn."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        frame.f_globals.get("__name__", "<unknown>"),
        frame.f_globals.setdefault("__warningregistry__", {}),
    )
