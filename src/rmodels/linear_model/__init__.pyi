# Written by `make stub`, from the catalogue.

from rmodels.linear_model._generalised import GammaRegressor as GammaRegressor
from rmodels.linear_model._generalised import PoissonRegressor as PoissonRegressor
from rmodels.linear_model._generalised import TweedieRegressor as TweedieRegressor
from rmodels.linear_model._lasso import ElasticNet as ElasticNet
from rmodels.linear_model._lasso import Lasso as Lasso
from rmodels.linear_model._lasso_cv import ElasticNetCV as ElasticNetCV
from rmodels.linear_model._lasso_cv import LassoCV as LassoCV
from rmodels.linear_model._linear_regression import LinearRegression as LinearRegression
from rmodels.linear_model._logistic_cv import LogisticRegressionCV as LogisticRegressionCV
from rmodels.linear_model._logistic_regression import LogisticRegression as LogisticRegression
from rmodels.linear_model._multi_task import MultiTaskElasticNet as MultiTaskElasticNet
from rmodels.linear_model._multi_task import MultiTaskElasticNetCV as MultiTaskElasticNetCV
from rmodels.linear_model._multi_task import MultiTaskLasso as MultiTaskLasso
from rmodels.linear_model._multi_task import MultiTaskLassoCV as MultiTaskLassoCV
from rmodels.linear_model._one_class import SGDOneClassSVM as SGDOneClassSVM
from rmodels.linear_model._paths import enet_path as enet_path
from rmodels.linear_model._paths import lasso_path as lasso_path
from rmodels.linear_model._perceptron import Perceptron as Perceptron
from rmodels.linear_model._ridge import Ridge as Ridge
from rmodels.linear_model._ridge_classifier import RidgeClassifier as RidgeClassifier
from rmodels.linear_model._ridge_classifier import RidgeClassifierCV as RidgeClassifierCV
from rmodels.linear_model._ridge_cv import RidgeCV as RidgeCV
from rmodels.linear_model._stochastic_classifier import SGDClassifier as SGDClassifier
from rmodels.linear_model._stochastic_regressor import SGDRegressor as SGDRegressor

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
