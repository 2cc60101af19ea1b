"""For every test: drawn inputs have no deadline, because no test measures time."""

from hypothesis import settings

settings.register_profile("salvia", deadline=None)
settings.load_profile("salvia")
