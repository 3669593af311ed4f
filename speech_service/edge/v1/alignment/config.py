"""AlignmentConfig to what a client asks for, and results to the wire: decoding alone."""

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import common_pb2
from speech_service.calls.requests.alignment import WantedAlignment
from speech_service.domain.alignment import (
    AlignedUnit,
    AlignmentOptions,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.fields import Fields
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.recognition.config import PACINGS, WIRE_PACINGS

_CONFIG = pb.AlignmentConfig.DESCRIPTOR
UNARY_FIELDS = Fields.of(_CONFIG, "config", audio="audio", audio_format="config.audio")
STREAM_FIELDS = Fields.of(
    _CONFIG, "config", audio="audio.data", audio_format="config.audio", text="text.text"
)
_GRANULARITIES = {
    pb.ALIGNMENT_GRANULARITY_UNSPECIFIED: Granularity.WORD,
    pb.ALIGNMENT_GRANULARITY_WORD: Granularity.WORD,
    pb.ALIGNMENT_GRANULARITY_PHONE: Granularity.PHONE,
    pb.ALIGNMENT_GRANULARITY_CHARACTER: Granularity.CHARACTER,
}
_WIRE_GRANULARITIES = {value: wire for wire, value in _GRANULARITIES.items() if wire}
_REASONS = {
    UnalignedReason.TEXT_NOT_SPOKEN: pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN,
    UnalignedReason.AUDIO_NOT_IN_TEXT: pb.UNALIGNED_REASON_AUDIO_NOT_IN_TEXT,
    UnalignedReason.NO_PRONUNCIATION: pb.UNALIGNED_REASON_NO_PRONUNCIATION,
    UnalignedReason.NOT_SPEAKABLE: pb.UNALIGNED_REASON_NOT_SPEAKABLE,
}


def wanted(message: pb.AlignmentConfig, *, streaming: bool) -> WantedAlignment:
    """What a client wrote.

    Raises:
        InvalidFieldError: the audio's format is wrong, an enum has an unknown value, or a field has no place in a
            stream.
    """
    if message.HasField("resume") and not streaming:
        raise InvalidFieldError("config.resume", "is for streams only", "StreamingAlign")
    if streaming and message.HasField("subtitles"):
        raise InvalidFieldError("config.subtitles", "is for unary calls only", "Align")
    return WantedAlignment(
        audio=convert.given_format(message.audio, "config.audio", packets=streaming),
        model=message.model,
        language=message.language,
        granularity=convert.enum_value(
            _GRANULARITIES, message.granularity, pb.AlignmentGranularity, "config.granularity"
        ),
        pacing=convert.enum_value(PACINGS, message.pacing, common_pb2.Pacing, "config.pacing"),
        lenient=convert.is_lenient(message.option_handling, "config.option_handling"),
    )


def effective_config(options: AlignmentOptions) -> pb.AlignmentConfig:
    """The options in force, as a client would write them; without the audio format, which it knows."""
    return pb.AlignmentConfig(
        model=options.model,
        language=options.language,
        granularity=_WIRE_GRANULARITIES[options.granularity],
        pacing=WIRE_PACINGS[options.pacing],
    )


def unit(value: AlignedUnit) -> pb.AlignedUnit:
    """Domain to wire."""
    return pb.AlignedUnit(
        text=value.text,
        granularity=_WIRE_GRANULARITIES[value.granularity],
        char_start=value.char_start,
        char_end=value.char_end,
        start_ms=value.start_ms,
        end_ms=value.end_ms,
        monotonic=value.monotonic,
        confidence=value.confidence,
    )


def span(value: UnalignedSpan) -> pb.UnalignedSpan:
    """Domain to wire."""
    return pb.UnalignedSpan(
        char_start=value.char_start,
        char_end=value.char_end,
        start_ms=value.start_ms,
        end_ms=value.end_ms,
        reason=_REASONS[value.reason],
    )
