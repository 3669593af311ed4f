"""``speech-service recognize FILE...``: transcribe files, several at once, results in the order given.

Text goes to stdout, everything else to stderr. A file that fails is reported and the others go on; the exit code is
that of the first failure.
"""

import argparse
import asyncio
import contextlib
from pathlib import Path
from typing import cast

from speech_client import (
    InvalidRequestError,
    Progress,
    RecognitionResult,
    RecognizeEvent,
    RecognizeOptions,
    ResultKind,
    ServiceWarning,
    SessionEnded,
    SpeechClient,
)
from speech_client.options import SubtitleFormat
from speech_service.cli import output
from speech_service.cli.arguments import (
    add_connection,
    add_recognition,
    connect,
    recognition_options,
)
from speech_service.cli.failure import CommandError, ExitCode, explain
from speech_service.cli.inputs import standard_input
from speech_service.cli.progress import FileProgress, ProgressScreen

UNARY_LIMIT_BYTES = 4 * 1024 * 1024
"""Larger files are streamed: they are sent in pieces, show progress, and their transcript has no size limit."""

REPLY_TOO_LARGE = "REPLY_TOO_LARGE"

Lines = asyncio.Queue[str | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "JSON Lines of --json are documented in speech_service/cli/output.py."
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="audio file; - reads standard input"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="stream every file (files above 4 MiB and standard input always are)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines instead of text")
    form.add_argument("--srt", action="store_true", help="SRT subtitles of one file, up to 16 MiB")
    form.add_argument("--vtt", action="store_true", help="WebVTT subtitles, likewise")
    parser.add_argument(
        "--words",
        action="store_true",
        help="start, end (seconds) and text of each word; with --srt and --vtt: times by words",
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=4,
        metavar="N",
        help="files at once (default: %(default)s)",
    )
    add_recognition(parser)
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """Transcribe; returns the exit code of the first file that failed, or 0.

    Raises:
        CommandError: subtitles are asked for and it is not just one file.
    """
    if _subtitles(given) and (given.stream or len(given.files) > 1 or given.files == ["-"]):
        raise CommandError(
            "--srt and --vtt take one file, and neither --stream nor standard input",
            ExitCode.USAGE,
        )
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    files = cast(list[str], given.files)
    prefix = len(files) > 1
    slots = asyncio.Semaphore(given.jobs)
    async with connect(given) as client, contextlib.AsyncExitStack() as stack:
        screen = stack.enter_context(ProgressScreen())
        # Nothing is held back: each file fills its own queue, and the queues are emptied in order.
        queues = [Lines() for _ in files]
        jobs = [
            asyncio.create_task(
                _File(client, given, name, output.writer(given, name, prefix), lines).run(
                    slots, screen
                )
            )
            for name, lines in zip(files, queues, strict=True)
        ]
        stack.push_async_callback(_stop, jobs)
        for lines in queues:
            while (line := await lines.get()) is not None:
                screen.print(line)
        codes = await asyncio.gather(*jobs)
    return next((code for code in codes if code), ExitCode.OK)


async def _stop(jobs: "list[asyncio.Task[int]]") -> None:
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


class _File:
    """One file: sends it, and turns what comes back into lines."""

    def __init__(
        self,
        client: SpeechClient,
        given: argparse.Namespace,
        name: str,
        writer: output.Writer,
        lines: Lines,
    ) -> None:
        self._client = client
        self._given = given
        self._name = name
        self._writer = writer
        self._lines = lines
        self._unrefined: dict[int, RecognitionResult] = {}

    async def run(self, slots: asyncio.Semaphore, screen: ProgressScreen) -> int:
        """Transcribe the file; returns its exit code."""
        try:
            async with slots:
                await self._transcribe(screen)
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the others
            return self._report(error, screen)
        finally:
            self._put(None)
        return ExitCode.OK

    async def _transcribe(self, screen: ProgressScreen) -> None:
        options = recognition_options(self._given)
        if self._given.words:
            options["word_times"] = True
        if subtitles := _subtitles(self._given):
            await self._subtitle(subtitles, options, screen)
            return
        if self._given.stream or self._name == "-" or _size(self._name) > UNARY_LIMIT_BYTES:
            await self._stream(options, screen)
            return
        try:
            reply = await self._client.recognize(Path(self._name), **options)
        except InvalidRequestError as error:
            if error.reason != REPLY_TOO_LARGE:
                raise
            await self._stream(options, screen)
            return
        for result in reply.results:
            self._put(self._writer.result(result))
        for warning in reply.warnings:
            self._warn(warning, screen)
        self._put(self._writer.summary(reply.model, reply.usage, reply.latency))

    async def _subtitle(
        self, wanted: SubtitleFormat, options: RecognizeOptions, screen: ProgressScreen
    ) -> None:
        options["subtitles"] = wanted
        if self._given.words:
            options["subtitle_mode"] = "accurate"
        reply = await self._client.recognize(Path(self._name), **options)
        for warning in reply.warnings:
            self._warn(warning, screen)
        self._put(reply.subtitles.rstrip("\n"))

    async def _stream(self, options: RecognizeOptions, screen: ProgressScreen) -> None:
        audio = standard_input() if self._name == "-" else Path(self._name)
        with screen.file(self._name) as progress:
            async with self._client.stream_file(audio, on_sent=progress.sent, **options) as stream:
                async for event in stream:
                    self._take(event, stream.session.model, progress, screen)

    def _take(
        self, event: RecognizeEvent, model: str, progress: FileProgress, screen: ProgressScreen
    ) -> None:
        match event:
            case RecognitionResult():
                progress.decoded(event.end_ms)
                self._take_result(event)
            case Progress():
                progress.decoded(event.decoded_ms)
            case ServiceWarning():
                self._warn(event, screen)
            case SessionEnded():
                progress.decoded(event.usage.audio_in_ms)
                self._put_unrefined()
                self._put(self._writer.summary(model, event.usage, event.latency))
            case _:
                pass

    def _take_result(self, result: RecognitionResult) -> None:
        """A FINAL is written; where words are wanted and it has none, they come with the REFINED after it."""
        if result.is_final and self._given.words and result.text and not result.words:
            self._unrefined[result.segment_id] = result
        elif result.is_final or (
            result.kind is ResultKind.REFINED and self._unrefined.pop(result.segment_id, None)
        ):
            self._put(self._writer.result(result))

    def _put_unrefined(self) -> None:
        for result in self._unrefined.values():
            self._put(self._writer.result(result))

    def _warn(self, warning: ServiceWarning, screen: ProgressScreen) -> None:
        screen.error(f"{self._name}: warning: {warning.message}")

    def _report(self, error: Exception, screen: ProgressScreen) -> int:
        failure = explain(error, self._given.server)
        text = str(failure)
        where = "" if text.startswith(f"{self._name}:") else f"{self._name}: "
        screen.error(f"speech-service recognize: {where}{text}")
        if self._given.verbose and failure.details:
            screen.error(failure.details)
        self._put(self._writer.failure(error, failure))
        return failure.code

    def _put(self, line: str | None) -> None:
        """Queue a line; None ends the file. A writer gives "" for what its format does not show."""
        if line is None or line:
            self._lines.put_nowait(line)


def _subtitles(given: argparse.Namespace) -> SubtitleFormat | None:
    return "srt" if given.srt else "vtt" if given.vtt else None


def is_large(file: Path) -> bool:
    """Whether a file is streamed rather than sent in one request. Raises CommandError when it cannot be read."""
    return _size(str(file)) > UNARY_LIMIT_BYTES


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size
    except OSError as error:
        raise CommandError(f"{name}: cannot be read: {error.strerror}", ExitCode.USAGE) from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)
