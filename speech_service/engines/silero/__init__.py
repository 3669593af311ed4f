"""Silero voice activity detection, in numpy, in the front end."""
