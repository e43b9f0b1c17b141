"""Linear regression and nearest neighbours built from scratch."""

__version__ = "0.1.0"
