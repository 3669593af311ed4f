"""``speech-service synthesize TEXT``: text into a sound file, or out of the loudspeaker."""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

from speech_client import (
    InvalidRequestError,
    OutputEncoding,
    ServiceWarning,
    SessionStarted,
    SpeechChunk,
    SpeechClient,
    SpeechTiming,
    SpeechTimings,
    SynthesizeOptions,
)
from speech_service.cli.arguments import add_connection, add_priority, connect
from speech_service.cli.commands.recognize import REPLY_TOO_LARGE
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.lost import telling_loss
from speech_service.cli.output_file import OutputFile, cannot_write
from speech_service.cli.texts import (
    STANDARD,
    count,
    note,
    positive_float,
    read_argument,
    write_file,
)
from speech_service.cli.ui import wav_file
from speech_service.cli.ui.playback import Player, open_player

FORMATS: dict[str, OutputEncoding] = {
    "wav": "wav",
    "flac": "flac",
    "mp3": "mp3",
    "opus": "ogg_opus",
    "pcm": "pcm_s16le",
    "f32": "pcm_f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
"""Values of ``--format``, and the encoding that each asks for."""

_HEADERLESS = ("pcm", "f32", "mulaw", "alaw")
_SUFFIXES: dict[str, tuple[str, ...]] = {
    ".wav": ("wav",),
    ".wave": ("wav",),
    ".flac": ("flac",),
    ".mp3": ("mp3",),
    ".ogg": ("opus",),
    ".oga": ("opus",),
    ".opus": ("opus",),
    ".pcm": ("pcm",),
    ".f32": ("f32",),
    ".mulaw": ("mulaw",),
    ".ulaw": ("mulaw",),
    ".alaw": ("alaw",),
    ".raw": _HEADERLESS,
}
"""Endings of a file, and the values of ``--format`` that it may hold, the usual one first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        f"Without --format the ending of -o decides: {' '.join(_SUFFIXES)}; nothing: WAV."
    )
    parser.add_argument("text", metavar="TEXT", help="the text; @FILE reads a file, - stdin")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="- writes to stdout")
    parser.add_argument("--play", action="store_true", help="play it")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="write and play audio as it is made (long texts always are)",
    )
    parser.add_argument(
        "--timings", action="store_true", help="print when each word is spoken, in seconds"
    )
    group = parser.add_argument_group("synthesis")
    group.add_argument("--model", default="", help="name as in `models`; default: the server's")
    group.add_argument("--voice", default="", metavar="ID", help="id or alias as in `voices`")
    group.add_argument("--language", default="", metavar="CODE", help="BCP-47 code of the text")
    group.add_argument(
        "--rate", type=positive_float, metavar="FACTOR", help="speed, 0.5 to 2.0; keeps the pitch"
    )
    group.add_argument("--gain", type=float, metavar="DB", help="louder or softer, -40 to 20")
    group.add_argument("--format", choices=FORMATS, help="form of the audio")
    group.add_argument("--sample-rate", type=count, metavar="HZ", help="8000 to 48000")
    group.add_argument("--trim", action="store_true", help="no silence at the start and the end")
    add_priority(parser)
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """Speak.

    Raises:
        CommandError: the arguments do not fit together, the file cannot be written, nothing can play.
        SpeechApiError: the server refused or does not answer.
    """
    if given.output is None and not given.play:
        raise CommandError("say where the audio goes: -o FILE or --play", ExitCode.USAGE)
    form = audio_format(given)
    if given.play and form != "wav":
        raise CommandError(f"--play takes WAV, not {form}", ExitCode.USAGE)
    return asyncio.run(_speak(given, read_argument(given.text), _options(given, FORMATS[form])))


def audio_format(given: argparse.Namespace) -> str:
    """Give the form that ``--format`` and the ending of ``-o`` agree on. Raises CommandError where they do not."""
    suffix = given.output.suffix.lower() if given.output else ""
    allowed = _SUFFIXES.get(suffix)
    if given.format is None:
        if suffix and allowed is None:
            raise CommandError(
                f"{given.output}: {suffix} is no ending known here: {' '.join(_SUFFIXES)}; or say --format",
                ExitCode.USAGE,
            )
        return allowed[0] if allowed else "wav"
    if allowed is not None and given.format not in allowed:
        raise CommandError(
            f"{given.output}: the ending {suffix} says {allowed[0]}, --format says {given.format}; leave one out",
            ExitCode.USAGE,
        )
    return given.format


def _options(given: argparse.Namespace, encoding: OutputEncoding) -> SynthesizeOptions:
    options = SynthesizeOptions(encoding=encoding)
    if given.model:
        options["model"] = given.model
    if given.voice:
        options["voice"] = given.voice
    if given.language:
        options["language"] = given.language
    if given.rate is not None:
        options["speaking_rate"] = given.rate
    if given.gain is not None:
        options["gain_db"] = given.gain
    if given.sample_rate is not None:
        options["sample_rate_hz"] = given.sample_rate
    if given.trim:
        options["trim_silence"] = True
    if given.timings:
        options["timing"] = "word"
    return options


async def _speak(given: argparse.Namespace, text: str, options: SynthesizeOptions) -> int:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(given))
        player = await stack.enter_async_context(open_player()) if given.play else None
        output = _Output(given, player)
        if given.stream or not await output.whole(client, text, options):
            await output.pieces(client, text, options)
    return ExitCode.OK


class _Output:
    """Writes and plays the audio of one text, and says what became of it."""

    def __init__(self, given: argparse.Namespace, player: Player | None) -> None:
        self._given = given
        self._path: Path | None = given.output
        self._player = player
        # Where the audio itself goes to stdout, words would spoil it.
        to_stdout = self._path is not None and str(self._path) == STANDARD
        self._words = sys.stderr if to_stdout else sys.stdout
        self._start_s = time.monotonic()

    async def whole(self, client: SpeechClient, text: str, options: SynthesizeOptions) -> bool:
        """Speak in one call; False: the audio is too long for that."""
        try:
            reply = await client.synthesize(text, **options)
        except InvalidRequestError as error:
            if error.reason == REPLY_TOO_LARGE:
                return False
            raise
        for warning in reply.warnings:
            _warn(warning)
        if self._path is not None:
            write_file(self._path, reply.audio)
        self._print(reply.timings)
        self._conclude(reply.duration_ms, f"{reply.model}/{reply.voice}", reply.cached)
        if self._player is not None:
            await self._player.feed(reply.audio)
        return True

    async def pieces(self, client: SpeechClient, text: str, options: SynthesizeOptions) -> None:
        """Take the audio piece by piece as it is made."""
        first_ms: int | None = None
        end_ms, model = 0, ""
        lost = telling_loss(self._given, lambda: end_ms if model else None, "the speech ends there")
        with self._stream(options.get("encoding")) as write, lost:
            async with contextlib.aclosing(client.synthesize_chunked(text, **options)) as events:
                async for event in events:
                    match event:
                        case SessionStarted():
                            model = event.model
                        case SpeechChunk():
                            first_ms = self._elapsed_ms() if first_ms is None else first_ms
                            end_ms = max(end_ms, event.start_ms + event.duration_ms)
                            write(event.data)
                            if self._player is not None:
                                await self._player.feed(event.data)
                        case SpeechTimings():
                            self._print(event.timings)
                        case ServiceWarning():
                            _warn(event)
                        case _:
                            pass
        self._conclude(end_ms, f"{model}, first audio after {first_ms or 0} ms", False)

    @contextlib.contextmanager
    def _stream(self, encoding: str | None) -> Generator[Callable[[bytes], None], None, None]:
        """Give what writes the next piece; what was written before speaking failed is kept, and told."""
        if self._path is None:
            yield lambda data: None
            return
        if str(self._path) == STANDARD:
            yield _to_stdout
            return
        file = OutputFile(self._path)
        try:
            yield file.write
        except BaseException:
            with contextlib.suppress(
                CommandError
            ):  # Told already, as what the file could not take.
                self._complete(file, encoding)
            if left := file.keep():
                note(left)
            raise
        self._complete(file, encoding)
        file.finish()

    def _complete(self, file: OutputFile, encoding: str | None) -> None:
        if encoding == "wav":
            try:
                wav_file.complete_header(file.stream)
            except OSError as error:
                cannot_write(self._path or Path(STANDARD), error)

    def _print(self, timings: tuple[SpeechTiming, ...]) -> None:
        for word in timings:
            line = f"{word.start_ms / 1000:.3f}\t{word.end_ms / 1000:.3f}\t{word.text}"
            print(line, file=self._words, flush=True)

    def _conclude(self, audio_ms: int, who: str, cached: bool) -> None:
        where = f"{self._path}: " if self._path is not None else ""
        cache = ", from the cache" if cached else ""
        note(f"{where}{audio_ms / 1000:.2f} s of audio in {self._elapsed_ms()} ms ({who}{cache})")

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._start_s) * 1000)


def _to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _warn(warning: ServiceWarning) -> None:
    note(f"warning: {warning.message}")
