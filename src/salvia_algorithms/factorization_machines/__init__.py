"""The built-in Factorization Machines: a linear model and the interactions of all pairs of features, for sparse data."""
