"""Subtitle files: read, laid out, translated, written."""
