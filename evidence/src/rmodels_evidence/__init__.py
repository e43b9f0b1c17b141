"""What shows that the models are right, and how fast."""
