"""The built-in Random Cut Forest algorithm."""
