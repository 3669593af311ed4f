"""Frozen values that every layer may use. Nothing here does I/O or imports a sibling layer."""
