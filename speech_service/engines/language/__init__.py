"""Text language identifiers: each module has ``Options`` and ``build``."""
