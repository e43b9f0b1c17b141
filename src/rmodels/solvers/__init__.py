"""Arithmetic on sums and folds of rows; knows no estimator."""
