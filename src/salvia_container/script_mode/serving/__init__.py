"""Script mode's serving: a user's model_fn, input_fn, predict_fn, output_fn or transform_fn, and AWS's defaults for those not written."""
