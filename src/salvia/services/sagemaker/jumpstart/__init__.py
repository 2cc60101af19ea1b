"""JumpStart: the catalogue of models that the SDKs look up by their ids."""
