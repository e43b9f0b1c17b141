"""Whether two models are the same to the last bit."""

import numpy as np
import pandas
from cases import answers


def assert_identical(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if a.dtype == object:
            for x, y in zip(a.flat, b.flat, strict=True):
                assert_identical(x, y)
        else:
            assert a.tobytes() == b.tobytes()
    else:
        assert repr(a) == repr(b)


def _outputs(model):
    """All that a model can say, and knows."""
    queries = np.abs(np.random.default_rng(1).normal(size=(30, model.n_features_in_)))
    if hasattr(model, "feature_names_in_"):
        queries = pandas.DataFrame(queries, columns=model.feature_names_in_)
    for arrays in answers(model, queries).values():
        yield from arrays
    # tree_ is scikit-learn's, built anew whenever it is asked for, and has no other name
    known = (key for key in dir(model) if key.endswith("_") and key[0] != "_" and key != "tree_")
    for name in sorted(known):
        try:
            value = getattr(model, name)
        except AttributeError as error:
            value = str(error)
        yield from value if isinstance(value, list) else [value]


def assert_same_model(model, other):
    assert type(other) is type(model)
    parameters = (each.get_params().items() for each in (model, other))
    for (name, a), (same, b) in zip(*parameters, strict=True):
        assert name == same
        assert_identical(a, b)
    assert vars(other).keys() == vars(model).keys()
    for a, b in zip(_outputs(model), _outputs(other), strict=True):
        assert_identical(a, b)
