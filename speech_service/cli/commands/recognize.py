"""``speech-service recognize FILE...``: write down what is said in files, several at once, results in the order given.

Text goes to stdout, or to a file each in ``--output-dir``; everything else to stderr. A file that fails is reported and
the others go on; the exit code is that of the first failure. Nothing is ever written by completion: segments are in
order of time, files in the order given.
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
    Reconnected,
    ResultKind,
    ServiceWarning,
    SessionEnded,
    SpeechClient,
)
from speech_client.sources import is_pipe
from speech_service.cli.arguments import (
    access,
    add_connection,
    add_priority,
    add_recognition,
    connect,
    recognition_options,
)
from speech_service.cli.failure import CommandError, ExitCode, explain
from speech_service.cli.inputs import standard_input
from speech_service.cli.lost import telling_loss
from speech_service.cli.sinks import FileSink, LineSink, QueueSink, files_in
from speech_service.cli.streams import describe_lines
from speech_service.cli.texts import STANDARD, went_on
from speech_service.cli.ui import output
from speech_service.cli.ui.progress import FileProgress, ProgressScreen

JSON_LINES = output.JSON_LINES

UNARY_LIMIT_BYTES = 4 * 1024 * 1024
"""Larger files are streamed: they are sent in pieces, show progress, and their transcript has no size limit."""

REPLY_TOO_LARGE = "REPLY_TOO_LARGE"
NO_WORDS = "WORD_TIMES_UNAVAILABLE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        f"{describe_lines(JSON_LINES)} Times are milliseconds. "
        "Progress is shown where stderr is a terminal."
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="audio file; - reads standard input"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="stream every file (files above 4 MiB, pipes and standard input always are)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines instead of text")
    form.add_argument("--srt", action="store_true", help="SRT subtitles")
    form.add_argument("--vtt", action="store_true", help="WebVTT subtitles")
    parser.add_argument(
        "--words",
        action="store_true",
        help="start, end (seconds) and text of each word; with --srt and --vtt: times by words",
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="write a file for each input, called as it is: .txt, .tsv (--words), .jsonl, .srt or .vtt; "
        "subtitles of several files need it",
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=4,
        metavar="N",
        help="files at once (default: %(default)s)",
    )
    add_recognition(parser)
    add_priority(parser)
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """Recognize; returns the exit code of the first file that failed, or 0.

    Raises:
        CommandError: subtitles of several files are asked for on stdout, or files would overwrite each other.
    """
    files = cast(list[str], given.files)
    if output.subtitle_format(given) and len(files) > 1 and given.output_dir is None:
        raise CommandError(
            "subtitles of several files are written to files: add --output-dir DIR", ExitCode.USAGE
        )
    if files.count(STANDARD) > 1:
        raise CommandError("standard input can be read once", ExitCode.USAGE)
    paths = files_in(given.output_dir, files, output.suffix(given)) if given.output_dir else []
    return asyncio.run(_run(given, files, paths))


async def _run(given: argparse.Namespace, files: list[str], paths: list[Path]) -> int:
    prefix = len(files) > 1 and not paths
    slots = asyncio.Semaphore(given.jobs)
    async with connect(given) as client, contextlib.AsyncExitStack() as stack:
        sizes = [_size_or_zero(name) for name in files]
        screen = stack.enter_context(ProgressScreen(sizes))
        # Nothing is held back: each file fills its own queue, and the queues are emptied in order.
        queues = [] if paths else [QueueSink() for _ in files]
        sinks: list[LineSink] = [*queues, *map(FileSink, paths)]
        jobs = [
            asyncio.create_task(
                _File(client, given, number, output.writer(given, name, prefix), sink).run(
                    slots, screen
                )
            )
            for number, (name, sink) in enumerate(zip(files, sinks, strict=True))
        ]
        stack.push_async_callback(_stop, jobs)
        for queue in queues:
            while (line := await queue.get()) is not None:
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
        number: int,
        writer: output.Writer,
        sink: LineSink,
    ) -> None:
        self._client = client
        self._given = given
        self._number = number
        self._name: str = given.files[number]
        self._writer = writer
        self._sink = sink
        # FINALs that are not written yet: the first waits for its words, the others for the first.
        self._waiting: dict[int, RecognitionResult] = {}
        self._wordless: set[int] = set()  # those whose words may still come
        self._reached_ms = 0

    async def run(self, slots: asyncio.Semaphore, screen: ProgressScreen) -> int:
        """Recognize the file; returns its exit code."""
        code = ExitCode.OK
        try:
            async with slots:
                with screen.file(self._name, self._number, self._given.raw) as progress:
                    await self._transcribe(progress, screen)
                self._sink.end(failed=False)
        except asyncio.CancelledError:
            self._leave(screen)
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the others
            code = self._report(error, screen)
            self._leave(screen)
        return code

    def _leave(self, screen: ProgressScreen) -> None:
        """The file is given up: say what is left of what was written for it."""
        if left := self._sink.end(failed=True):
            screen.error(f"{self._name}: {left}")

    async def _transcribe(self, progress: FileProgress, screen: ProgressScreen) -> None:
        options = recognition_options(self._given)
        if self._given.words:
            options["word_times"] = True
        if self._given.stream or self._name == STANDARD or is_large(Path(self._name)):
            await self._stream(options, progress, screen)
            return
        try:
            reply = await self._client.recognize(Path(self._name), **options)
        except InvalidRequestError as error:
            if error.reason != REPLY_TOO_LARGE:
                raise
            await self._stream(options, progress, screen)
            return
        for result in reply.results:
            self._put(self._writer.result(result))
        for warning in reply.warnings:
            self._warn(warning, screen)
        self._put(self._writer.summary(reply.model, reply.usage, reply.latency))

    async def _stream(
        self, options: RecognizeOptions, progress: FileProgress, screen: ProgressScreen
    ) -> None:
        audio = standard_input() if self._name == STANDARD else Path(self._name)
        try:
            async with self._client.stream_file(audio, on_sent=progress.sent, **options) as stream:
                with telling_loss(self._given, lambda: self._reached_ms, "the text ends there"):
                    async for event in stream:
                        self._take(event, stream.session.model, progress, screen)
        finally:
            self._write_ready(all_of_them=True)

    def _take(
        self, event: RecognizeEvent, model: str, progress: FileProgress, screen: ProgressScreen
    ) -> None:
        match event:
            case RecognitionResult():
                self._take_result(event)
                if event.is_final:
                    self._reached_ms = max(self._reached_ms, event.end_ms)
                    progress.done(event.end_ms)
            case Progress():
                progress.received(event.received_ms)
                progress.done(event.final_ms)
            case ServiceWarning():
                self._warn(event, screen)
            case Reconnected():
                screen.error(f"{self._name}: {went_on(event)}")
            case SessionEnded():
                self._write_ready(all_of_them=True)
                self._put(self._writer.summary(model, event.usage, event.latency))
            case _:
                pass

    def _take_result(self, result: RecognitionResult) -> None:
        """A FINAL is written in its turn; where words are wanted and it has none, once its REFINED has come.

        They leave in the order of their channel's FINALs: one that comes says that those before it get none.
        """
        is_refined = result.kind is ResultKind.REFINED and result.segment_id in self._waiting
        if result.is_final and self._given.words and result.text and not result.words:
            self._wordless.add(result.segment_id)
        elif is_refined:
            for segment_id, final in self._waiting.items():
                if final.channel == result.channel and segment_id <= result.segment_id:
                    self._wordless.discard(segment_id)
        if result.is_final or is_refined:
            self._waiting[result.segment_id] = result
            self._write_ready()

    def _write_ready(self, *, all_of_them: bool = False) -> None:
        """Write the waiting results up to the first that still lacks its words."""
        while self._waiting:
            first = next(iter(self._waiting.values()))
            if first.segment_id in self._wordless and not all_of_them:
                return
            del self._waiting[first.segment_id]
            self._put(self._writer.result(first))

    def _warn(self, warning: ServiceWarning, screen: ProgressScreen) -> None:
        if warning.reason == NO_WORDS:
            place = (warning.start_ms, warning.end_ms)
            lacking = [f for f in self._waiting.values() if (f.start_ms, f.end_ms) == place]
            self._wordless.difference_update(f.segment_id for f in lacking[:1])
            self._write_ready()
        screen.error(f"{self._name}: warning: {warning.message}")

    def _report(self, error: Exception, screen: ProgressScreen) -> ExitCode:
        failure = explain(error, access(self._given), self._given)
        text = str(failure)
        where = "" if text.startswith(f"{self._name}:") else f"{self._name}: "
        screen.error(f"speech-service recognize: {where}{text}")
        if self._given.verbose and failure.details:
            screen.error(failure.details)
        with contextlib.suppress(
            CommandError
        ):  # A file that cannot be written was reported just now.
            self._put(self._writer.failure(error, failure))
        return failure.code

    def _put(self, lines: str) -> None:
        """Hand lines on. A writer gives "" for what its format does not show."""
        if lines:
            self._sink.put(lines)


def is_large(file: Path) -> bool:
    """Whether a file is streamed rather than sent in one request; so is a pipe, whose size nobody knows.

    Raises:
        AudioSourceError: it cannot be read.
    """
    return is_pipe(file) or file.stat().st_size > UNARY_LIMIT_BYTES


def _size_or_zero(name: str) -> int:
    try:
        return 0 if name == STANDARD else Path(name).stat().st_size
    except OSError:  # Told in its turn.
        return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)
