"""Fitted models as graphs of ONNX, which programs without Python can run."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils.validation import check_is_fitted

import rmodels
from rmodels.exceptions import NotCoveredError
from rmodels.extras import require
from rmodels.files.sklearn import is_theirs

__all__ = ["to_onnx"]


def to_onnx(model: Any, X: ArrayLike | None = None, *, dtype: DTypeLike = np.float64) -> Any:
    """Return a fitted model as a graph of ONNX operators.

    Parameters
    ----------
    model : estimator of rmodels or Pipeline
        Not of a subclass. A pipeline of scikit-learn may hold, beside estimators of rmodels,
        scikit-learn's scalers and encoders, SimpleImputer, a ColumnTransformer or FeatureUnion of
        them, and what skl2onnx knows.
    X : frame or array of shape (n_samples, n_features), default=None
        Rows, of which the kinds of the columns are taken: a pipeline of a table needs them, and its
        graph has an input for each column: of floats in dtype, of integers in int64. Without them
        the graph has one input, "X", of n_features columns of floats.
    dtype : {float64, float32}, default=float64
        Of the floats that the graph takes. Integers are computed with in float64, as scikit-learn
        does.

    Returns
    -------
    onnx.ModelProto
        Of operators of opset 18. Its outputs are "prediction" of a regressor; "label" and
        "probabilities" of a classifier, or "scores" if it has no `predict_proba`; "transformed" of
        a transformer; "label" and "distances" of clusters; "label" and "scores" of what detects
        outliers; "log_density" of densities; "distances" and "indices" of the search for the k
        nearest. Of several targets there are "probabilities_0" and so on.

    Raises
    ------
    TypeError
        If the model is of another class.
    NotCoveredError
        If ONNX cannot say what the model does; the message says why.
    ValueError
        If dtype is another, a pipeline needs X, or X has other columns than those of the fit.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImportError
        If skl2onnx is not installed.

    Warns
    -----
    UserWarning
        If the runtime may order neighbours otherwise, as ONNX lacks an operator, or skl2onnx
        computes a step in float32.

    Notes
    -----
    The graph does what the model's methods do with rows of `dtype`, cast by cast. Distances to
    points and centres are summed in the same order, so that neighbours and clusters are the same,
    ties included; products of matrices are the runtime's, right to rounding. A graph checks
    nothing: a NaN in a row raises no error.

    A graph of neighbours has all points, and while it runs a few matrices of n_queries by n_points
    in float64: give it as many rows at a time as memory allows.

    Examples
    --------
    >>> import rmodels
    >>> model = rmodels.LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> graph = rmodels.to_onnx(model)
    >>> [each.name for each in graph.graph.input], [each.name for each in graph.graph.output]
    (['X'], ['prediction'])
    """
    skl2onnx = require("skl2onnx", "onnx")
    from rmodels.export import converters, foreign, inputs, pipelines
    from rmodels.export.graph import OPSET

    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    ours = type(model).__name__ in converters.ESTIMATORS and type(model) is getattr(
        rmodels, type(model).__name__
    )
    if not (ours or is_theirs(model)):
        raise TypeError(
            "a graph is made of an estimator of rmodels, or a Pipeline of them; got "
            f"{type(model).__qualname__}"
        )
    check_is_fitted(model)
    taken = inputs.find_inputs(model, None if ours else X, dtype)
    model = pipelines.spell_out(model)
    converters.register()
    options = {
        id(part): {converters.TRANSFORMS: True}
        for part, transforms in pipelines.parts_of(model)
        if transforms and type(part).__module__.startswith("rmodels.")
    }
    theirs = foreign.Foreign()
    try:
        made = skl2onnx.convert_sklearn(
            model,
            name=type(model).__name__,
            initial_types=taken,
            target_opset={"": OPSET, "ai.onnx.ml": 3},
            options=options,
            custom_parsers=pipelines.find_parsers(model),
            custom_conversion_functions={
                type(part): theirs.convert
                for part, _ in pipelines.parts_of(model)
                if pipelines.is_foreign(part)
            },
        )
        made = _check(made)
    except NotCoveredError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:  # which those of skl2onnx are
        raise NotCoveredError(
            f"skl2onnx cannot write this {type(model).__name__} with dtype={dtype}: "
            f"{foreign.explain(error)}"
        ) from error
    theirs.warn_of_float32(made.graph)
    made.producer_name, made.producer_version = "rmodels", rmodels.__version__
    return made


def _check(made: Any) -> Any:
    """Return a graph with the shapes of its results, in which all types fit together.

    Raises
    ------
    RuntimeError
        If they do not.
    """
    onnx = require("onnx", "onnx")
    declared = [onnx.TypeProto.FromString(o.type.SerializeToString()) for o in made.graph.output]
    for output in made.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        found = onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=True)
        for output, kind in zip(found.graph.output, declared, strict=True):
            if not output.type.tensor_type.HasField("shape"):
                output.type.CopyFrom(kind)
        onnx.checker.check_model(found)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise RuntimeError(f"what it writes is not valid: {error}") from error
    return found
