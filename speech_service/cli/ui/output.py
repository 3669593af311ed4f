"""What ``recognize`` writes: text for people, subtitles, or JSON Lines with stable keys for programs."""

import argparse
from typing import Protocol

import msgspec

from speech_client import EndCause, Latency, RecognitionResult, SpeechApiError, Usage
from speech_client.options import SubtitleFormat
from speech_service.cli.failure import CommandError
from speech_service.cli.streams import JsonLine, json_line
from speech_service.cli.ui import subtitles


class WordJson(JsonLine):
    """A word of a result."""

    text: str
    """The word as it stands in the text, with its punctuation."""
    start_ms: int
    """Start, in milliseconds of the audio."""
    end_ms: int
    """End, in milliseconds of the audio."""
    confidence: float | None
    """Confidence, 0 to 1; null where the model gives none."""


class ResultJson(JsonLine, tag_field="type", tag="result"):
    """A segment that is final, in order of time."""

    file: str
    """The file as it was named."""
    segment_id: int
    """Number of the segment, from 1."""
    channel: int
    """Channel, counted from 0; 0 where channels are mixed."""
    text: str
    """What was said."""
    start_ms: int
    """Start, in milliseconds of the audio."""
    end_ms: int
    """End, in milliseconds of the audio."""
    confidence: float | None
    """Confidence, 0 to 1; null where the model gives none."""
    language: str | None
    """BCP-47 code of the likeliest language; null where the model names none."""
    end_cause: EndCause | None
    """Why the segment ended; null where the server does not say."""
    words: list[WordJson]
    """The words with their times; empty without `--words`."""


class LatencyJson(JsonLine):
    """How long things took, in milliseconds; null where the server does not say."""

    queue: float | None
    """How long work waited for the device while none was computed."""
    first_result: float | None
    """Time from the first audio to the first result."""
    p50_lag: float | None
    """Half of the final results came no later than this after the end of their audio."""
    p95_lag: float | None
    """95 % of the final results came no later than this after the end of their audio."""
    encode: float | None
    """Device time of encoding, summed."""
    decode: float | None
    """Device time of decoding, summed."""
    total: float | None
    """Time of the whole call."""


class FileSummaryJson(JsonLine, tag_field="type", tag="summary"):
    """The end of a file that went well."""

    file: str
    """The file as it was named."""
    model: str
    """Model that served the call."""
    text: str
    """All results, joined by spaces."""
    audio_ms: int
    """Length of the audio, in milliseconds."""
    speech_ms: int
    """How much of it was speech, in milliseconds."""
    latency_ms: LatencyJson
    """How long things took."""


class FileErrorJson(JsonLine, tag_field="type", tag="error"):
    """The end of a file that failed; the lines before it stay true."""

    file: str
    """The file as it was named."""
    code: str | None
    """Name of the gRPC code; null where nothing was sent."""
    reason: str
    """Reason of the error; empty where there is none."""
    message: str
    """What went wrong, for people."""
    request_id: str
    """Id of the call in the server's log; empty where nothing was sent."""
    exit_code: int
    """Exit code of the command, were this the only file."""


JSON_LINES = (ResultJson, FileSummaryJson, FileErrorJson)


class Writer(Protocol):
    """Turns what comes back for one file into lines; "" where its format shows nothing."""

    def result(self, result: RecognitionResult) -> str:
        """Write a FINAL."""
        ...

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """Write the end of a file that went well."""
        ...

    def failure(self, error: Exception, failure: CommandError) -> str:
        """Write the end of a file that failed; what was written before it stays."""
        ...


def subtitle_format(given: argparse.Namespace) -> SubtitleFormat | None:
    """Say which subtitles are asked for."""
    return "srt" if given.srt else "vtt" if given.vtt else None


def suffix(given: argparse.Namespace) -> str:
    """Give the ending of a file that holds what ``writer`` gives."""
    if given.json:
        return ".jsonl"
    return f".{subtitle_format(given) or ('tsv' if given.words else 'txt')}"


def writer(given: argparse.Namespace, file: str, prefix: bool) -> Writer:
    """Give the writer for one file; ``prefix`` puts the file's name before each line of text, as grep does."""
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
        """Write the text of the segment."""
        return f"{self._prefix}{result.text}" if result.text else ""

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        return ""

    def failure(self, error: Exception, failure: CommandError) -> str:
        return ""


class WordWriter(TextWriter):
    """One line for each word: start and end in seconds and the word, by tabs; a segment without words is one line."""

    def result(self, result: RecognitionResult) -> str:
        """Write the words of the segment."""
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
        """Keep the segment until the file ends."""
        if result.text:
            self._results.append(result)
        return ""

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """Write the subtitles of the whole file."""
        return subtitles.of_results(self._results, self._form, self._accurate).rstrip("\n")

    def failure(self, error: Exception, failure: CommandError) -> str:
        """Write the subtitles of what was understood before the failure."""
        return self.summary("", Usage(), Latency()) if self._results else ""


class JsonWriter:
    """Gives the lines of ``JSON_LINES``."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._texts: list[str] = []

    def result(self, result: RecognitionResult) -> str:
        """Write a ``result`` line."""
        if result.text:
            self._texts.append(result.text)
        return json_line(
            ResultJson(
                file=self._file,
                segment_id=result.segment_id,
                channel=result.channel,
                text=result.text,
                start_ms=result.start_ms,
                end_ms=result.end_ms,
                confidence=result.confidence,
                language=result.languages[0].code if result.languages else None,
                end_cause=result.end_cause,
                words=msgspec.convert(result.words, list[WordJson], from_attributes=True),
            )
        )

    def summary(self, model: str, usage: Usage, latency: Latency) -> str:
        """Write a ``summary`` line."""
        return json_line(
            FileSummaryJson(
                file=self._file,
                model=model,
                text=" ".join(self._texts),
                audio_ms=usage.audio_in_ms,
                speech_ms=usage.speech_ms,
                latency_ms=LatencyJson(
                    queue=latency.queue_ms,
                    first_result=latency.first_result_ms,
                    p50_lag=latency.p50_lag_ms,
                    p95_lag=latency.p95_lag_ms,
                    encode=latency.encode_ms,
                    decode=latency.decode_ms,
                    total=latency.total_ms,
                ),
            )
        )

    def failure(self, error: Exception, failure: CommandError) -> str:
        """Write an ``error`` line."""
        api = error if isinstance(error, SpeechApiError) else None
        return json_line(
            FileErrorJson(
                file=self._file,
                code=api.code.name if api else None,
                reason=api.reason if api else "",
                message=api.message if api else str(failure),
                request_id=api.request_id if api else "",
                exit_code=int(failure.code),
            )
        )
