"""Errors of options that lie inside other options."""

from collections.abc import Mapping

from speech_service.domain.errors import InvalidOptionError, PreconditionError, SpeechError


def inside(error: SpeechError, option: str, places: Mapping[str, str]) -> SpeechError:
    """The error of a request that is ``option`` of another one. ``places``: what lies elsewhere in that one."""
    match error:
        case InvalidOptionError():
            name = places.get(error.option, f"{option}.{error.option}")
            return InvalidOptionError(
                name, error.problem, error.allowed, reason=error.reason, metadata=error.metadata
            )
        case PreconditionError(subject=subject):
            return PreconditionError(f"{option}.{subject}", error.message, reason=error.reason)
        case _:
            return error
