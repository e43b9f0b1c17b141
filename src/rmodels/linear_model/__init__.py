"""Linear models."""

from rmodels.base.sklearn import pass_for
from rmodels.linear_model._generalised import (
    GammaRegressor,
    PoissonRegressor,
    TweedieRegressor,
)
from rmodels.linear_model._lasso import ElasticNet, Lasso
from rmodels.linear_model._lasso_cv import ElasticNetCV, LassoCV
from rmodels.linear_model._linear_regression import LinearRegression
from rmodels.linear_model._logistic_cv import LogisticRegressionCV
from rmodels.linear_model._logistic_regression import LogisticRegression
from rmodels.linear_model._multi_task import (
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
)
from rmodels.linear_model._one_class import SGDOneClassSVM
from rmodels.linear_model._paths import enet_path, lasso_path
from rmodels.linear_model._perceptron import Perceptron
from rmodels.linear_model._ridge import Ridge
from rmodels.linear_model._ridge_classifier import RidgeClassifier, RidgeClassifierCV
from rmodels.linear_model._ridge_cv import RidgeCV
from rmodels.linear_model._stochastic_classifier import SGDClassifier
from rmodels.linear_model._stochastic_regressor import SGDRegressor

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "GammaRegressor",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "Perceptron",
    "PoissonRegressor",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "SGDOneClassSVM",
    "SGDRegressor",
    "TweedieRegressor",
    "enet_path",
    "lasso_path",
]

pass_for(
    "sklearn.linear_model",
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    Perceptron,
    Ridge,
    RidgeCV,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
)
