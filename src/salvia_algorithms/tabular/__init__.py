"""What LightGBM and CatBoost share, which AWS offers in one form: channels of csv, hyperparameters, requests and answers."""
