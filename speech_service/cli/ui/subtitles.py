"""Subtitle files of audio of any length, made here from what the streams gave, by the rules that the server has."""

from collections.abc import Mapping, Sequence

from speech_client import AlignedUnit, RecognitionResult, UnalignedSpan
from speech_client.options import SubtitleFormat
from speech_service.domain import alignment
from speech_service.domain.transcript import ResultKind, TranscriptResult, Word
from speech_service.domain.translation import SubtitleCue
from speech_service.text.subtitles.rules import SubtitleRules
from speech_service.text.subtitles.share import share_out
from speech_service.text.subtitles.writing import (
    cues_of_alignment,
    cues_of_transcript,
    write_srt,
    write_vtt,
)

_WRITERS = {"srt": write_srt, "vtt": write_vtt}


def of_results(results: Sequence[RecognitionResult], form: SubtitleFormat, accurate: bool) -> str:
    """Give the file of a transcript: by words where ``accurate`` and they are known, else by segments."""
    return _WRITERS[form](_cues(results, accurate))


def of_alignment(
    text: str,
    units: Sequence[AlignedUnit],
    spans: Sequence[UnalignedSpan],
    form: SubtitleFormat,
    duration_ms: int,
) -> str:
    """Give the file of an aligned text."""
    placed = [
        alignment.AlignedUnit(
            unit.text,
            alignment.Granularity(unit.kind.value),
            unit.char_start,
            unit.char_end,
            unit.start_ms,
            unit.end_ms,
            unit.monotonic,
        )
        for unit in units
    ]
    left = [
        alignment.UnalignedSpan(
            span.char_start,
            span.char_end,
            span.start_ms,
            span.end_ms,
            alignment.UnalignedReason(span.reason.value),
        )
        for span in spans
    ]
    return _WRITERS[form](cues_of_alignment(text, placed, left, SubtitleRules(), duration_ms))


def of_translation(
    source: Sequence[RecognitionResult], translated: Mapping[int, str], form: SubtitleFormat
) -> str:
    """Give the file of a translation, with the cues of its source.

    Args:
        source: what was said.
        translated: the translation of each segment, by its id; one without is shown as it was said.
        form: SRT or WebVTT.
    """
    ordered = _in_time(source)
    pairs = [(result.text, translated.get(result.segment_id, result.text)) for result in ordered]
    return _WRITERS[form](share_out(_cues(source, False), pairs, SubtitleRules()))


def _cues(results: Sequence[RecognitionResult], accurate: bool) -> list[SubtitleCue]:
    ordered = [_of_client(result) for result in _in_time(results)]
    length_ms = max((result.end_ms for result in ordered), default=0)
    return cues_of_transcript(ordered, SubtitleRules(), length_ms, accurate=accurate)


def _in_time(results: Sequence[RecognitionResult]) -> list[RecognitionResult]:
    return sorted(results, key=lambda result: (result.start_ms, result.channel))


def _of_client(result: RecognitionResult) -> TranscriptResult:
    return TranscriptResult(
        segment_id=result.segment_id,
        channel=result.channel,
        revision=result.revision,
        kind=ResultKind.FINAL,
        text=result.text,
        stable_char_count=len(result.text),
        start_ms=result.start_ms,
        end_ms=result.end_ms,
        words=tuple(
            Word(w.text, w.start_ms, w.end_ms, w.confidence, w.char_start, w.char_end)
            for w in result.words
        ),
    )
