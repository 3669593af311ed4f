"""Backends that speak."""
