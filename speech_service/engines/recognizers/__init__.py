"""Speech recognizers: each module has ``Options``, ``describe`` and ``build``."""
