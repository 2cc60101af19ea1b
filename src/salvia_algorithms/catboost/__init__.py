"""The built-in CatBoost algorithm."""
