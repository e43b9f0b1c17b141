"""Columns of a table, prepared by scikit-learn."""

import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

__all__ = ["columns"]

# By itself, scikit-learn 1.6 keeps columns in a class that a model file does not hold.
OLD = tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 7)
REMAINDER = {"force_int_remainder_cols": False} if OLD else {}


def columns(**options):
    """Return what prepares the columns colour, size and n, and passes others."""
    return ColumnTransformer(
        [
            ("colour", OneHotEncoder(handle_unknown="ignore", **options), ["colour"]),
            ("size", OrdinalEncoder(categories=[["s", "m", "l"]]), ["size"]),
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["n"]),
        ],
        remainder="passthrough",
        **REMAINDER,
    )
