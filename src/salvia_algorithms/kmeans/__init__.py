"""The built-in K-Means algorithm."""
