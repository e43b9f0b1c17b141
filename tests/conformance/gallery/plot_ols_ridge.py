"""linear_model/plot_ols_ridge: least squares on one feature of the diabetes data."""

from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

X, y = load_diabetes(return_X_y=True)
X = X[:, [2]]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=20, shuffle=False)
regressor = LinearRegression().fit(X_train, y_train)
y_pred = regressor.predict(X_test)
print(f"Coefficients: {regressor.coef_[0]:.6f}, {regressor.intercept_:.6f}")
print(f"Mean squared error: {mean_squared_error(y_test, y_pred):.2f}")
print(f"Coefficient of determination: {r2_score(y_test, y_pred):.2f}")
