"""Translators: each module has ``Options``, ``describe`` and ``build``."""
