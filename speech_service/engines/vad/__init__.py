"""Voice activity detectors: each module has ``Options`` and ``build``."""
