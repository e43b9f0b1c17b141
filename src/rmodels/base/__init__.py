"""What all estimators are made of."""
