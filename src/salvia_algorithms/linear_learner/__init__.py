"""The built-in Linear Learner: many linear models at once by stochastic gradients, of which the best is kept."""
