"""The warning of a search that ends before the minimum."""

from sklearn.exceptions import ConvergenceWarning

from rmodels.base.warnings import warn
from rmodels.solvers.generalised import MISSED, GeneralisedFit

__all__ = ["warn_of_minimum"]


def warn_of_minimum(found: GeneralisedFit) -> None:
    """Warn of a fit that has not come to a minimum."""
    if found.separated:
        warn(
            "the classes can be separated, and there is no penalty: no coefficients are best, and "
            "those returned tell the classes apart without an error. Set a penalty, such as C=1",
            ConvergenceWarning,
        )
    elif not found.violation <= MISSED:
        warn(
            f"the minimum was missed: a gradient is {found.violation:.1e} of the magnitudes that "
            f"cancel in it, and should be at most {MISSED:.0e}. Scale the columns, or set a larger "
            "penalty",
            ConvergenceWarning,
        )
