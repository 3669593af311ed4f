"""Composition root of the front end: builds everything once, then start, drain, stop."""

from speech_service.app.application import Application
from speech_service.app.main import run

__all__ = ["Application", "run"]
