"""Backends without a model, deterministic: one of each kind, for tests and load."""
