"""Columns of a table, prepared by scikit-learn."""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

__all__ = ["columns"]


def columns(**options):
    """Return what prepares the columns colour, size and n, and passes others."""
    return ColumnTransformer(
        [
            ("colour", OneHotEncoder(handle_unknown="ignore", **options), ["colour"]),
            ("size", OrdinalEncoder(categories=[["s", "m", "l"]]), ["size"]),
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["n"]),
        ],
        remainder="passthrough",
    )
