"""How a trained XGBoost model answers requests, as AWS's container does, and faster."""
