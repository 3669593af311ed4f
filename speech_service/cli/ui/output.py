"""What ``recognize`` writes: text for people, subtitles, or JSON Lines with stable keys for programs.

JSON Lines: one object per line, in order of time. ``type`` tells which; keys are never renamed, new ones may be added.
docs/cli.md tells users the same.

``result``   file, segment_id, channel, text, start_ms, end_ms, confidence (number or null), language (code or null),
             end_cause ("endpoint", "finalize", "max_segment", "end_of_stream" or null),
             words (list of {text, start_ms, end_ms, confidence})
``summary``  file, model, text (all results joined by a space), audio_ms, speech_ms,
             latency_ms {queue, first_result, p50_lag, p95_lag, encode, decode, total} (numbers or null)
``error``    file, code (gRPC name, or null when nothing was sent), reason, message, request_id, exit_code
"""

import argparse
from typing import Protocol

from speech_client import Latency, RecognitionResult, SpeechApiError, Usage
from speech_client.options import SubtitleFormat
from speech_service.cli.failure import CommandError
from speech_service.cli.streams import json_line
from speech_service.cli.ui import subtitles


class Writer(Protocol):
    """Turns what comes back for one file into lines; "" where its format shows nothing."""

    def result(self, result: RecognitionResult) -> str:
        """A FINAL."""
        ...

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """The end of a file that went well."""
        ...

    def failure(self, error: Exception, failure: CommandError) -> str:
        """The end of a file that did not; what was said before it is kept."""
        ...


def subtitle_format(given: argparse.Namespace) -> SubtitleFormat | None:
    """Which subtitles are asked for."""
    return "srt" if given.srt else "vtt" if given.vtt else None


def suffix(given: argparse.Namespace) -> str:
    """The ending of a file that holds what ``writer`` gives."""
    if given.json:
        return ".jsonl"
    return f".{subtitle_format(given) or ('tsv' if given.words else 'txt')}"


def writer(given: argparse.Namespace, file: str, prefix: bool) -> Writer:
    """The writer for one file; ``prefix`` puts the file's name before each line of text, as grep does."""
    if given.json:
        return JsonWriter(file)
    if form := subtitle_format(given):
        return SubtitleWriter(form, accurate=given.words)
    before = f"{file}: " if prefix else ""
    return WordWriter(before) if given.words else TextWriter(before)


class TextWriter:
    """One line of text for each segment; failures are told on stderr only."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def result(self, result: RecognitionResult) -> str:
        """The segment's text."""
        return f"{self._prefix}{result.text}" if result.text else ""

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """Nothing."""
        return ""

    def failure(self, error: Exception, failure: CommandError) -> str:
        """Nothing."""
        return ""


class WordWriter(TextWriter):
    """One line for each word: start and end in seconds and the word, by tabs; a segment without words is one line."""

    def result(self, result: RecognitionResult) -> str:
        """The segment's words."""
        if not result.text:
            return ""
        parts = result.words or (result,)
        return "\n".join(
            f"{self._prefix}{part.start_ms / 1000:.3f}\t{part.end_ms / 1000:.3f}\t{part.text}"
            for part in parts
        )


class SubtitleWriter:
    """One subtitle file; it comes as a whole, since a cue may reach into the next segment."""

    def __init__(self, form: SubtitleFormat, *, accurate: bool) -> None:
        self._form: SubtitleFormat = form
        self._accurate = accurate
        self._results: list[RecognitionResult] = []

    def result(self, result: RecognitionResult) -> str:
        """Nothing yet."""
        if result.text:
            self._results.append(result)
        return ""

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """The file."""
        return subtitles.of_results(self._results, self._form, self._accurate).rstrip("\n")

    def failure(self, error: Exception, failure: CommandError) -> str:
        """The file of what was understood before the failure."""
        return self.summary("", Usage(), Latency()) if self._results else ""


class JsonWriter:
    """JSON Lines; see the top of this file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._texts: list[str] = []

    def result(self, result: RecognitionResult) -> str:
        """A ``result`` line."""
        if result.text:
            self._texts.append(result.text)
        return self._line(
            "result",
            segment_id=result.segment_id,
            channel=result.channel,
            text=result.text,
            start_ms=result.start_ms,
            end_ms=result.end_ms,
            confidence=result.confidence,
            language=result.languages[0].code if result.languages else None,
            end_cause=result.end_cause.value if result.end_cause else None,
            words=[
                {
                    "text": word.text,
                    "start_ms": word.start_ms,
                    "end_ms": word.end_ms,
                    "confidence": word.confidence,
                }
                for word in result.words
            ],
        )

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """A ``summary`` line."""
        return self._line(
            "summary",
            model=model,
            text=" ".join(self._texts),
            audio_ms=usage.audio_in_ms,
            speech_ms=usage.speech_ms,
            latency_ms={
                "queue": latency.queue_ms,
                "first_result": latency.first_result_ms,
                "p50_lag": latency.p50_lag_ms,
                "p95_lag": latency.p95_lag_ms,
                "encode": latency.encode_ms,
                "decode": latency.decode_ms,
                "total": latency.total_ms,
            },
        )

    def failure(self, error: Exception, failure: CommandError) -> str:
        """An ``error`` line."""
        api = error if isinstance(error, SpeechApiError) else None
        return self._line(
            "error",
            code=api.code.name if api else None,
            reason=api.reason if api else "",
            message=api.message if api else str(failure),
            request_id=api.request_id if api else "",
            exit_code=int(failure.code),
        )

    def _line(self, kind: str, **values: object) -> str:
        return json_line({"type": kind, "file": self._file, **values})
