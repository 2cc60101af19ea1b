"""What AWS's own algorithms (Linear Learner, K-Means, PCA, ...) have in common, each part once.

They were written on one framework, and it shows: hyperparameters checked by one schema, channels read as mini-batches of
csv or recordio-protobuf, one form of log lines and metrics, models kept as MXNet arrays, one set of requests and responses.
"""
