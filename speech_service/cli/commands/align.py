"""``speech-service align FILE --text TEXT``: when each word of a known text is spoken."""

import argparse
import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from speech_client import (
    AlignedUnit,
    AlignedUnits,
    Alignment,
    AlignOptions,
    Latency,
    Progress,
    Reconnected,
    ServiceWarning,
    SessionEnded,
    SpeechClient,
    UnalignedReason,
    UnalignedSpan,
    UnitKind,
    Usage,
)
from speech_client.options import SubtitleFormat
from speech_service.cli.arguments import add_connection, add_priority, connect
from speech_service.cli.commands.recognize import is_large
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.lost import telling_loss
from speech_service.cli.streams import JsonLine, describe_lines, json_line
from speech_service.cli.texts import STANDARD, audio_file, note, read_argument, went_on
from speech_service.cli.ui import subtitles, word_plot
from speech_service.cli.ui.progress import ProgressScreen


class UnitJson(JsonLine, tag_field="type", tag="unit"):
    """A unit of the text that was placed, in the order of the text."""

    text: str
    """The unit as it stands in the text, or the symbol of a phone."""
    kind: UnitKind
    """What the unit is; `--granularity` chooses."""
    char_start: int
    """Where it begins in the text, in code points; for a phone, where its word does."""
    char_end: int
    """Where it ends in the text, in code points, exclusive."""
    start_ms: int
    """Start, in milliseconds of the audio."""
    end_ms: int
    """End, in milliseconds of the audio."""
    monotonic: bool
    """False marks a doubtful time: the unit starts before the one before it ended."""
    confidence: float | None
    """Confidence, 0 to 1; null where the model gives none."""


class UnalignedJson(JsonLine, tag_field="type", tag="unaligned"):
    """Text or audio that could not be aligned."""

    text: str
    """The text; empty where audio is not in the text."""
    char_start: int
    """Where it begins in the text, in code points."""
    char_end: int
    """Where it ends in the text, in code points, exclusive."""
    start_ms: int
    """Start of the audio in which it would lie, in milliseconds."""
    end_ms: int
    """End of that audio, in milliseconds."""
    reason: UnalignedReason
    """Why it could not be aligned."""


class AlignmentSummaryJson(JsonLine, tag_field="type", tag="summary"):
    """The last line."""

    file: str
    """The file as it was named."""
    model: str
    """Model that served the call."""
    duration_ms: int
    """Length of the audio, in milliseconds."""
    units: int
    """How many units were placed."""
    unaligned: int
    """How many spans were not."""


_SHOWN_CHARACTERS = 60
"""Of each end of a text that was not placed."""

JSON_LINES = (UnitJson, UnalignedJson, AlignmentSummaryJson)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "Output: start and end in seconds and the word, by tabs. What was not found is told on stderr; "
        f"exit code 1: nothing was found. {describe_lines(JSON_LINES)}"
    )
    parser.add_argument(
        "file", type=audio_file, metavar="FILE", help="audio file; - reads standard input"
    )
    parser.add_argument(
        "--text", required=True, metavar="TEXT", help="what is spoken; @FILE reads a file, - stdin"
    )
    parser.add_argument("--json", action="store_true", help="JSON Lines instead of text")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="draw the words over the waveform (WAV input)"
    )
    parser.add_argument(
        "--granularity", choices=("word", "phone", "character"), default="word", help="unit size"
    )
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--srt", action="store_true", help="print SRT subtitles of the text")
    files.add_argument("--vtt", action="store_true", help="print WebVTT subtitles of the text")
    parser.add_argument("--model", default="", help="name as in `models`; default: the server's")
    parser.add_argument("--language", default="", metavar="CODE", help="BCP-47 code of the text")
    add_priority(parser)
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """Align. What could not be placed is a warning; that nothing could be placed is a failure.

    Raises:
        CommandError: a file cannot be read or written, or drawing needs a package that is missing.
        SpeechApiError: the server refused or does not answer.
    """
    text = _text(given)
    if given.plot is not None:
        _check_plot(given.plot)
        word_plot.check(given.file)  # Before the server is asked for anything.
    reply = asyncio.run(_align(given, text))
    for warning in reply.warnings:
        note(f"warning: {warning.message}")
    if given.json:
        for line in to_json(reply, text, str(given.file)):
            print(json_line(line))
    elif given.srt or given.vtt:
        print(reply.subtitles, end="")
    else:
        for unit in reply.units:
            print(f"{unit.start_ms / 1000:.3f}\t{unit.end_ms / 1000:.3f}\t{unit.text}")
    for span in reply.unaligned:
        note(f"not aligned: {describe(span, text)}")
    if given.plot is not None:
        word_plot.draw(given.plot, given.file, reply.words)
    if not reply.units:
        note(f"speech-service align: {given.file}: nothing of the text was found in the audio")
        return ExitCode.REFUSED
    return ExitCode.OK


def _text(given: argparse.Namespace) -> str:
    if given.text == STANDARD and given.file == audio_file(STANDARD):
        raise CommandError("standard input can be read once", ExitCode.USAGE)
    return read_argument(given.text)


def describe(span: UnalignedSpan, text: str) -> str:
    """Say what was not aligned, where it would lie, and why."""
    what = "audio"
    if span.char_end > span.char_start:
        what = _shortened(text[span.char_start : span.char_end])
    reason = span.reason.value.replace("_", " ")
    return f"{what} ({reason}), {span.start_ms / 1000:.2f} to {span.end_ms / 1000:.2f} s"


def _check_plot(path: Path) -> None:
    if path.suffix.lower() not in ("", ".png"):
        raise CommandError(
            f"{path}: a plot is a PNG; name it {path.with_suffix('.png')}", ExitCode.USAGE
        )


def _shortened(text: str) -> str:
    """Quote a text: a long one by its ends, and how much of it there is."""
    if len(text) <= 2 * _SHOWN_CHARACTERS:
        return repr(text)
    begin, end = text[:_SHOWN_CHARACTERS], text[-_SHOWN_CHARACTERS:]
    return f"{begin!r} ... {end!r}, {len(text)} characters"


def to_json(reply: Alignment, text: str, file: str) -> Iterator[JsonLine]:
    """Give the lines of ``--json``."""
    for unit in reply.units:
        yield msgspec.convert(unit, UnitJson, from_attributes=True)
    for span in reply.unaligned:
        yield UnalignedJson(
            text=text[span.char_start : span.char_end],
            char_start=span.char_start,
            char_end=span.char_end,
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            reason=span.reason,
        )
    yield AlignmentSummaryJson(
        file=file,
        model=reply.model,
        duration_ms=reply.duration_ms,
        units=len(reply.units),
        unaligned=len(reply.unaligned),
    )


async def _align(given: argparse.Namespace, text: str) -> Alignment:
    options = AlignOptions(granularity=given.granularity)
    if given.model:
        options["model"] = given.model
    if given.language:
        options["language"] = given.language
    async with connect(given) as client:
        if is_large(given.file):
            reply = await _stream(client, given, text, options)
        else:
            reply = await client.align(text, given.file, **options)
    if not (given.srt or given.vtt):
        return reply
    form: SubtitleFormat = "srt" if given.srt else "vtt"
    file = subtitles.of_alignment(text, reply.units, reply.unaligned, form, reply.duration_ms)
    return replace(reply, subtitles=file)


async def _stream(
    client: SpeechClient, given: argparse.Namespace, text: str, options: AlignOptions
) -> Alignment:
    """Align a large file piece by piece."""
    file: Path = given.file
    units: list[AlignedUnit] = []
    spans: list[UnalignedSpan] = []
    warnings: list[ServiceWarning] = []
    usage, latency = Usage(), Latency()
    reached_ms = 0
    begun_ms = 0  # where the call that ended the session began
    async with contextlib.AsyncExitStack() as stack:
        screen = stack.enter_context(ProgressScreen(doing="aligned"))
        bar = stack.enter_context(screen.file(str(file)))
        stream = await stack.enter_async_context(
            client.align_file(text, file, on_sent=bar.sent, **options)
        )
        stack.enter_context(telling_loss(given, lambda: reached_ms, "nothing of it is shown"))
        async for event in stream:
            match event:
                case AlignedUnits():
                    units += event.units
                    reached_ms = max([reached_ms, *(unit.end_ms for unit in event.units)])
                    bar.done(reached_ms)
                case Progress():
                    bar.received(event.received_ms)
                case UnalignedSpan():
                    spans.append(event)
                    reached_ms = max(reached_ms, event.end_ms)
                    bar.done(reached_ms)
                case ServiceWarning():
                    warnings.append(event)
                case Reconnected():
                    screen.error(f"{file}: {went_on(event)}")
                    begun_ms = event.resend_from_ms
                case SessionEnded():
                    usage, latency = event.usage, event.latency
                case _:
                    pass
        model = stream.session.model
    return Alignment(
        units=tuple(units),
        unaligned=tuple(spans),
        subtitles="",
        duration_ms=begun_ms + usage.audio_in_ms,
        model=model,
        usage=usage,
        latency=latency,
        warnings=tuple(warnings),
    )
