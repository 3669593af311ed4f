"""What requests of every kind check alike."""

from collections.abc import Iterable, Mapping

from speech_service.domain.audio import AudioFormat
from speech_service.domain.errors import (
    InvalidOptionError,
    PreconditionError,
    SpeechError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities


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


def checked_ms(option: str, value_ms: float, minimum_ms: float, maximum_ms: float) -> float:
    """A length of time.

    Raises:
        InvalidOptionError: it is outside the range.
    """
    if not minimum_ms <= value_ms <= maximum_ms:
        allowed = f"{minimum_ms / 1000:g} to {maximum_ms / 1000:g} s"
        raise InvalidOptionError(option, f"is {value_ms / 1000:g} s", allowed)
    return value_ms


def unsupported(
    option: str,
    model: ModelCapabilities,
    capability: Capability,
    others: Iterable[ModelCapabilities],
    nobody: str = "no loaded model has it",
) -> UnsupportedOptionError:
    """The error of an option that ``model`` cannot honour. It names the ``others`` that can."""
    problem = f"model {model.name!r} has no {capability.value.lower()}"
    having = [other.name for other in others if capability in other.capabilities]
    return UnsupportedOptionError(option, problem, having or [nobody])


def given_format(audio: AudioFormat | None) -> AudioFormat:
    """The format of the audio, which a client must say.

    Raises:
        InvalidOptionError: it does not.
    """
    if audio is None:
        allowed = "raw, container, opus_packets, auto_detect"
        raise InvalidOptionError("audio_format", "says no format", allowed)
    return audio
