"""Rows wherever they are: the only way in and out of the package."""
