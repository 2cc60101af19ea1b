"""The built-in PCA: principal components in one pass over the data, exactly or from a sketch of the covariance."""
