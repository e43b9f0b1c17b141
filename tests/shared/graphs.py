"""Graphs of ONNX, run by onnxruntime."""

import numpy as np
import onnxruntime

__all__ = ["METHODS", "feeds_of", "run"]

# What a model says of what a graph gives.
METHODS = {
    "prediction": "predict",
    "label": "predict",
    "probabilities": "predict_proba",
    "scores": "decision_function",
    "log_density": "score_samples",
    "transformed": "transform",
    "distances": "transform",
}


def run(graph, feeds):
    """Return what a graph gives, by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def feeds_of(X):
    """Return rows as a graph takes them: integers in int64, and of a frame each column."""
    parts = {name: X[[name]].to_numpy() for name in X} if hasattr(X, "columns") else {"X": X}
    integers = {name for name, part in parts.items() if part.dtype.kind in "iu"}
    return {n: part.astype(np.int64) if n in integers else part for n, part in parts.items()}
