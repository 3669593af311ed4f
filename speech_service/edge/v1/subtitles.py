"""SubtitleConfig to rules, and what was said to Subtitles."""

from collections.abc import Sequence
from dataclasses import dataclass

from speech.v1 import common_pb2
from speech_service.domain.alignment import AlignedUnit, UnalignedSpan
from speech_service.domain.errors import InvalidFieldError, InvalidOptionError
from speech_service.domain.transcript import TranscriptResult
from speech_service.domain.translation import SubtitleCue
from speech_service.edge.v1 import common as convert
from speech_service.text.subtitles.rules import SubtitleRules
from speech_service.text.subtitles.writing import (
    cues_of_alignment,
    cues_of_transcript,
    write_srt,
    write_vtt,
)

_WRITERS = {
    common_pb2.SUBTITLE_FORMAT_SRT: write_srt,
    common_pb2.SUBTITLE_FORMAT_VTT: write_vtt,
}


@dataclass(frozen=True, slots=True)
class SubtitleWish:
    """A checked SubtitleConfig."""

    format: "common_pb2.SubtitleFormat.ValueType"
    accurate: bool
    rules: SubtitleRules


def wish(message: common_pb2.SubtitleConfig) -> SubtitleWish:
    """Check and convert ``config.subtitles``.

    Raises:
        InvalidFieldError: the format is missing, or a rule is out of range.
    """
    if message.format not in _WRITERS:
        allowed = convert.names(common_pb2.SubtitleFormat.keys(), "SUBTITLE_FORMAT_")
        raise InvalidFieldError("config.subtitles.format", "is not set or unknown", allowed)
    if message.mode not in common_pb2.SubtitleMode.values():
        allowed = convert.names(common_pb2.SubtitleMode.keys(), "SUBTITLE_MODE_")
        raise InvalidFieldError("config.subtitles.mode", "is unknown", allowed)
    accurate = message.mode == common_pb2.SUBTITLE_MODE_ACCURATE
    return SubtitleWish(message.format, accurate, _rules(message.rules, "config.subtitles.rules"))


def _rules(message: common_pb2.SubtitleRules, path: str) -> SubtitleRules:
    base = SubtitleRules()

    def ms(name: str, default: int) -> int:
        given_ms = convert.given_ms(message, name)
        return default if given_ms is None else round(given_ms)

    try:
        return SubtitleRules(
            max_columns=message.max_columns
            if message.HasField("max_columns")
            else base.max_columns,
            max_lines=message.max_lines if message.HasField("max_lines") else base.max_lines,
            min_duration_ms=ms("min_duration", base.min_duration_ms),
            max_duration_ms=ms("max_duration", base.max_duration_ms),
            min_gap_ms=ms("min_gap", base.min_gap_ms),
            max_cps=message.max_cps if message.HasField("max_cps") else base.max_cps,
        )
    except InvalidOptionError as error:
        raise InvalidFieldError(f"{path}.{error.option}", error.problem) from error


def of_transcript(
    results: Sequence[TranscriptResult], asked: SubtitleWish, duration_ms: int
) -> common_pb2.Subtitles:
    """Subtitles of segments in order of time: by the words' times where they are wanted and known."""
    return file_of(transcript_cues(results, asked, duration_ms), asked)


def transcript_cues(
    results: Sequence[TranscriptResult], asked: SubtitleWish, duration_ms: int
) -> list[SubtitleCue]:
    """The cues of :func:`of_transcript`."""
    return cues_of_transcript(results, asked.rules, duration_ms, accurate=asked.accurate)


def of_alignment(
    text: str,
    units: Sequence[AlignedUnit],
    spans: Sequence[UnalignedSpan],
    asked: SubtitleWish,
    duration_ms: int,
) -> common_pb2.Subtitles:
    """Subtitles of an aligned text. Words that nobody says are not shown."""
    return file_of(cues_of_alignment(text, units, spans, asked.rules, duration_ms), asked)


def file_of(cues: Sequence[SubtitleCue], asked: SubtitleWish) -> common_pb2.Subtitles:
    """The file of some cues."""
    text = _WRITERS[asked.format](cues)
    return common_pb2.Subtitles(format=asked.format, text=text, cue_count=len(cues))
