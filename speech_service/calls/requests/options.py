"""What requests of every kind check alike."""

from collections.abc import Mapping

from speech_service.domain.audio import AudioFormat
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


def given_format(audio: AudioFormat | None) -> AudioFormat:
    """The format of the audio, which a client must say.

    Raises:
        InvalidOptionError: it does not.
    """
    if audio is None:
        allowed = "raw, container, opus_packets, auto_detect"
        raise InvalidOptionError("audio_format", "says no format", allowed)
    return audio
