"""How well a library or a model is searched: the authors' protocol, a self-check, calibration."""
