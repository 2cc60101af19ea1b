"""Script mode: a user's own training script inside a framework's image, run by AWS's training toolkit."""
