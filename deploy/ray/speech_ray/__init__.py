"""Runs a fleet of speech servers on a Ray cluster: Ray places and restarts them, calls go to them without Ray."""
