"""Aligners: known text placed in audio."""
