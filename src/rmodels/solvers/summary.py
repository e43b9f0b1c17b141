"""Tests of coefficients: the figures, and the tables that show them."""

import html
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["CoefficientTests", "LikelihoodSummary", "Summary"]

Matrix = NDArray[np.float64]
Table = tuple[Any, list[tuple[str, str]], dict[str, Matrix]]

_LATEX = {sign: rf"\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


class CoefficientTests:
    """Coefficients with their errors, tests and intervals, as tables."""

    _statistic: ClassVar[str] = "t"
    _each: ClassVar[str] = "target"  # what has a table of its own, where there are several

    names: list[str]
    confidence: float

    def _about(self) -> str:
        """Return what the tables are of."""
        raise NotImplementedError

    def _tables(self) -> Iterator[Table]:
        """Yield of each target its name, what is known of the whole, and columns by name."""
        raise NotImplementedError

    def __str__(self) -> str:
        width = max(map(len, self.names))
        lines = [self._about()]
        for target, facts, columns in self._tables():
            lines += [
                *([] if target is None else [f"{self._each} {target}"]),
                "   ".join(f"{name} {value}" for name, value in facts),
                f"{'':{width}} {'coefficient':>12} {'error':>11} {self._statistic:>9} {'p':>9}   "
                f"{self.confidence:.0%} interval",
            ]
            lines += [
                f"{name:{width}} {c:>12} {e:>11} {t:>9} {p:>9}   [{low}, {high}]"
                for name, (c, e, t, p, low, high) in zip(self.names, _cells(columns), strict=True)
            ]
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return the table of the coefficients as a data frame of pandas.

        Returns
        -------
        pandas.DataFrame
            A row for each coefficient, by its name; with several targets by the number of the
            target, with several classes by the class, and the name. The variance inflation of
            the intercept is NaN.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 2.9, 5.1, 7.0])
        >>> frame = model.summary().to_frame()
        >>> frame.loc["x0", ["coefficient", "p"]].round(4).tolist()
        [2.02, 0.0004]
        """
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas, which is not installed: pip install pandas"
            ) from error
        blocks = {
            target: pandas.DataFrame(columns, index=self.names)
            for target, _, columns in self._tables()
        }
        return blocks[None] if None in blocks else pandas.concat(blocks, names=[self._each, None])

    def to_latex(self) -> str:
        r"""Return the tables as LaTeX, with the rules of the package booktabs.

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 2.9, 5.1, 7.0])
        >>> print(model.summary().to_latex())  # doctest: +ELLIPSIS
        \begin{tabular}{lrrrrrr}
        \toprule
         & coefficient & error & $t$ & $p$ & \multicolumn{2}{c}{95\% interval} \\
        \midrule
        x0 & 2.02 & 0.04243 & 47.612 & 0.000441 & 1.8375 & 2.2025 \\
        ...
        \end{tabular}
        """
        lines = []
        for target, facts, columns in self._tables():
            lines += [
                r"\begin{tabular}{lrrrrrr}",
                r"\toprule",
                rf" & coefficient & error & ${self._statistic}$ & $p$ & \multicolumn{{2}}{{c}}"
                rf"{{{self.confidence * 100:.4g}\% interval}} \\",
                r"\midrule",
            ]
            lines += [
                " & ".join([_escape(name), *cells]) + r" \\"
                for name, cells in zip(self.names, _cells(columns), strict=True)
            ]
            text = "; ".join(f"{name} {value}" for name, value in facts)
            text = text.replace("R²", "$R^2$").replace("χ²", r"$\chi^2$")
            text = text if target is None else f"{self._each} {_escape(target)}: {text}"
            lines += [
                r"\midrule",
                rf"\multicolumn{{7}}{{l}}{{{text}}} \\",
                r"\bottomrule",
                r"\end{tabular}",
            ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the tables as a notebook shows them."""
        parts = [f"<p>{html.escape(self._about())}</p>"]
        for target, facts, columns in self._tables():
            said = "; ".join(f"{name} {value}" for name, value in facts)
            title = said if target is None else f"{self._each} {target}: {said}"
            interval = f"{self.confidence * 100:.4g}% interval"
            heads = ["", "coefficient", "error", self._statistic, "p", interval, ""]
            rows = "".join(
                f"<tr><th>{html.escape(str(name))}</th>"
                + "".join(f"<td>{cell}</td>" for cell in cells)
                + "</tr>"
                for name, cells in zip(self.names, _cells(columns), strict=True)
            )
            head = "".join(f"<th>{each}</th>" for each in heads)
            parts.append(
                f"<table><caption>{html.escape(title)}</caption>"
                f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            )
        return "".join(parts)


@dataclass(frozen=True, eq=False)
class Summary(CoefficientTests):
    """Inference of a linear regression; printed as a table.

    With several targets, each array has one more axis in front.

    Attributes
    ----------
    names : list of str
        Of the coefficients: the features, and last the intercept, if there is one.
    coefficients, standard_errors, t_values, p_values : ndarray of shape (n_coefficients,)
        p-values are two-sided, of Student's t.
    confidence_intervals : ndarray of shape (n_coefficients, 2)
    covariance : ndarray of shape (n_coefficients, n_coefficients)
    r2, adjusted_r2 : float
        About the mean; about 0 if no coefficients give the same prediction for all rows: without
        an intercept, unless columns such as those of all categories add up to a constant.
    f_value, f_p_value : float
        Wald's test that all rows have the same prediction: that all slopes are 0. Without a
        constant, that all predictions are 0.
    residual_std : float
        √(Σ w e² / degrees of freedom).
    variance_inflation : ndarray of shape (n_features,)
        1 / (1 − R²) of each feature on the others, by which its dependence on them multiplies the
        classical variance of its coefficient. The same for all targets.
    n_samples, degrees_of_freedom : int
        Rows whose weight is not 0, and what is left of them.
    confidence : float
    robust : str or None
    computed_from : {"moments", "rows"}
    """

    names: list[str]
    coefficients: Matrix
    standard_errors: Matrix
    t_values: Matrix
    p_values: Matrix
    confidence_intervals: Matrix
    covariance: Matrix
    r2: Any
    adjusted_r2: Any
    f_value: Any
    f_p_value: Any
    residual_std: Any
    variance_inflation: Matrix
    n_samples: int
    degrees_of_freedom: int
    confidence: float
    robust: str | None
    computed_from: str

    def _about(self) -> str:
        return (
            f"{self.n_samples} rows, {self.degrees_of_freedom} degrees of freedom, "
            f"{self.robust or 'classical'} errors, from the {self.computed_from}"
        )

    def _tables(self) -> Iterator[Table]:
        several = self.coefficients.ndim == 2
        inflation = np.full(len(self.names), np.nan)
        inflation[: len(self.variance_inflation)] = self.variance_inflation
        targets: Any = range(len(self.coefficients)) if several else [()]
        for target in targets:
            r2, adjusted, f, p, std = (
                np.asarray(each)[target]
                for each in (
                    self.r2, self.adjusted_r2, self.f_value, self.f_p_value, self.residual_std
                )
            )  # fmt: skip
            facts = [
                ("R²", f"{r2:.4g}"),
                ("adjusted R²", f"{adjusted:.4g}"),
                ("F", f"{f:.4g} (p {p:.3g})"),
                ("residual standard deviation", f"{std:.4g}"),
            ]
            low, high = self.confidence_intervals[target].T
            columns = {
                "coefficient": self.coefficients[target],
                "error": self.standard_errors[target],
                "t": self.t_values[target],
                "p": self.p_values[target],
                "low": low,
                "high": high,
                "variance inflation": inflation,
            }
            yield (target if several else None), facts, columns


@dataclass(frozen=True, eq=False)
class LikelihoodSummary(CoefficientTests):
    """Inference of a model of largest likelihood; printed as a table.

    With more than two classes, arrays of the coefficients have one more axis in front.

    Attributes
    ----------
    names : list of str
        Of the coefficients: the features, and last the intercept, if there is one.
    coefficients, standard_errors, z_values, p_values : ndarray of shape (n_coefficients,)
        p-values are two-sided, of the normal distribution.
    confidence_intervals : ndarray of shape (n_coefficients, 2)
    covariance : ndarray of shape (n_coefficients, n_coefficients)
        Of more than two classes that of all coefficients, a class after the other; it has no
        variance in what is added to all classes alike.
    log_likelihood, null_log_likelihood : float
        Of the model, and of the same prediction for all rows. NaN of distributions whose density
        has no closed form.
    pseudo_r2 : float
        McFadden's, 1 − log-likelihood / null log-likelihood.
    cox_snell_r2 : float
        1 − exp(2 (null log-likelihood − log-likelihood) / n).
    aic, bic : float
        2 k − 2 log-likelihood, and k log n − 2 log-likelihood, with k coefficients that are free.
    likelihood_ratio, likelihood_ratio_p_value : float
        Twice the log-likelihood less that of the null model, and its p-value by χ²: that all
        slopes are 0. NaN without an intercept.
    scale : float
        φ, of which the variance of a target is a multiple: 1 of classes and counts, else Pearson's
        χ² over the degrees of freedom.
    n_observations : float
        n = Σ w: weights count how often a row was seen.
    degrees_of_freedom : float
        n − k.
    confidence : float
    classes : list or None
        Those of the axis in front, if there is one.
    """

    _statistic: ClassVar[str] = "z"
    _each: ClassVar[str] = "class"

    names: list[str]
    coefficients: Matrix
    standard_errors: Matrix
    z_values: Matrix
    p_values: Matrix
    confidence_intervals: Matrix
    covariance: Matrix
    log_likelihood: float
    null_log_likelihood: float
    pseudo_r2: float
    cox_snell_r2: float
    aic: float
    bic: float
    likelihood_ratio: float
    likelihood_ratio_p_value: float
    scale: float
    n_observations: float
    degrees_of_freedom: float
    confidence: float
    classes: list[Any] | None

    def _about(self) -> str:
        return (
            f"{self.n_observations:g} observations, {self.degrees_of_freedom:g} degrees of freedom"
        )

    def _tables(self) -> Iterator[Table]:
        facts = [
            ("log-likelihood", f"{self.log_likelihood:.6g}"),
            ("pseudo R²", f"{self.pseudo_r2:.4g}"),
            ("AIC", f"{self.aic:.6g}"),
            ("BIC", f"{self.bic:.6g}"),
            ("χ²", f"{self.likelihood_ratio:.4g} (p {self.likelihood_ratio_p_value:.3g})"),
        ]
        targets: Any = [((), None)] if self.classes is None else enumerate(self.classes)
        for target, name in targets:
            low, high = self.confidence_intervals[target].T
            yield (
                name,
                facts,
                {
                    "coefficient": self.coefficients[target],
                    "error": self.standard_errors[target],
                    "z": self.z_values[target],
                    "p": self.p_values[target],
                    "low": low,
                    "high": high,
                },
            )


def _escape(text: Any) -> str:
    """Return text as LaTeX has it."""
    return "".join(_LATEX.get(sign, sign) for sign in str(text))


def _cells(columns: dict[str, Matrix]) -> Iterator[list[str]]:
    """Yield the text of each row, without the variance inflation."""
    formats = ("12.5g", "11.4g", "9.3f", "9.3g", ".5g", ".5g")
    chosen = list(columns.values())[: len(formats)]
    for values in zip(*chosen, strict=True):
        yield [format(value, each).strip() for value, each in zip(values, formats, strict=True)]
