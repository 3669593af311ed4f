"""``speech-service demo``: the whole service in less than a minute, with real speech and no network.

Starts a server on free ports, streams a recording at real time, recognizes a longer one as fast as it can, lets the
service speak, hear itself, align, translate and write subtitles (``demo_speech``), prints what was measured and what to
try next, and stops the server.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from speech_client import (
    Pacing,
    RecognitionResult,
    RecognizeOptions,
    RecognizeStream,
    SpeechApiError,
    SpeechClient,
)
from speech_client.sources import REALTIME_CHUNK_S, Source, open_source, parse_wav
from speech_service.cli.demo_next import how_started, next_commands
from speech_service.cli.demo_server import DemoServer
from speech_service.cli.demo_speech import SPOKEN, Row, Tour
from speech_service.cli.failure import ExitCode, missing_extra
from speech_service.cli.output_file import cannot_write
from speech_service.cli.ui.live_view import LiveView, clock
from speech_service.cli.ui.tables import Column, show

_PACKAGE = "moonshine_voice"
_LIVE_RECORDING = "beckett.wav"
_LONG_RECORDING = "two_cities.wav"
_LIVE_PAUSE_MS = 1500
"""Silence that ends a segment of the live recording: its pauses are rhetorical, and two words alone are misheard."""
_FIRST_SENTENCE_S = 1.5
"""The client says ``finalize`` there; the rest is then one segment, read with full stops."""
_WAV_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Measured:
    """What one recording showed; times in milliseconds."""

    audio_ms: int
    wall_ms: int
    first_words_ms: int | None
    model_ms: int | None
    """Spent in encoders and decoders, as the server says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where files go; default: a new temporary folder"
    )
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="keep the server's log")


def run(given: argparse.Namespace) -> int:
    """Show it; returns 0 when everything worked and the server stopped cleanly.

    Raises:
        CommandError: the ``server`` extra is missing, or the server does not start or stop.
        SpeechApiError: the server refused the recording.
    """
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    console = Console(highlight=False)
    live, long = _recording(_LIVE_RECORDING), _recording(_LONG_RECORDING)
    folder = _folder(given.out)
    begin_s = time.monotonic()
    finalize_ms: list[int] = []
    async with DemoServer(given.log_file) as server:
        with console.status("Starting a server of its own ..."):
            started_s = time.monotonic()
            target = await server.ready()
        console.print(f"Server ready on {target} after {time.monotonic() - started_s:.1f} s.\n")
        async with SpeechClient.connect(target) as client:
            model = await _default_model(client)
            console.rule(f"Live: {live.name}, sent as it is spoken", align="left")
            spoken = await _transcribe(
                _live(client, live, finalize_ms), console, live, Pacing.REALTIME
            )
            console.print()
            console.rule(f"Whole file: {long.name}, sent as fast as the server reads", align="left")
            whole = client.stream_file(long, pacing=Pacing.FILE, language="en")
            read = await _transcribe(whole, console, long, Pacing.FILE)
            console.print()
            tour = Tour(client, console, folder, long)
            await tour.run()
        stopped_ms = await server.stop()
    rows = [*_recognition_rows(spoken, read, finalize_ms), *tour.rows]
    rows.append(("server: SIGTERM to exit", f"{stopped_ms} ms"))
    rows.append(("demo: everything", f"{time.monotonic() - begin_s:.1f} s"))
    console.print(f"Measured just now; recognizer {model}", markup=False)
    show([Column("What"), Column("Value", right=True)], rows)
    console.print(Text(f"Files are in {folder}\n"), soft_wrap=True)
    console.rule("Next", align="left")
    program = how_started(sys.argv[0], Path.cwd())
    console.print(next_commands(folder / SPOKEN, program), soft_wrap=True, markup=False)
    return ExitCode.OK


async def _default_model(client: SpeechClient) -> str:
    models = await client.list_models("recognizer")
    return next((model.name for model in models if model.is_default), "")


async def _transcribe(
    opened: AbstractAsyncContextManager[RecognizeStream],
    console: Console,
    file: Path,
    pacing: Pacing,
) -> Measured:
    """Send a recording and print what comes back, as it comes."""
    view = LiveView(file.name, "", "")
    async with opened as stream:
        begin_s = (
            time.monotonic()
        )  # Sending has just begun, so this is zero of the audio clock too.
        async for event in stream:
            now_s = time.monotonic()
            view.take(event, round((now_s - begin_s) * 1000))
            if isinstance(event, RecognitionResult) and event.text:
                console.print(_line(event, now_s - begin_s, pacing), soft_wrap=True)
    return Measured(
        audio_ms=_length_ms(file),
        wall_ms=round((time.monotonic() - begin_s) * 1000),
        first_words_ms=view.first_words_ms,
        model_ms=_model_ms(view),
    )


@asynccontextmanager
async def _live(
    client: SpeechClient, file: Path, finalize_ms: list[int]
) -> AsyncGenerator[RecognizeStream, None]:
    """Send a recording as it is spoken; the client itself ends the first segment, after the first sentence.

    ``finalize_ms`` is told how long the server took to answer that.
    """
    source = open_source(file, None, Pacing.REALTIME)
    options = RecognizeOptions(format=source.format, language="en", end_silence_ms=_LIVE_PAUSE_MS)
    async with client.stream_recognize(**options) as stream:
        sender = asyncio.create_task(_send_live(stream, source, finalize_ms))
        try:
            yield stream
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


async def _send_live(stream: RecognizeStream, source: Source, finalize_ms: list[int]) -> None:
    last_of_sentence = round(_FIRST_SENTENCE_S / REALTIME_CHUNK_S)
    with suppress(SpeechApiError):  # The same error ends the iteration.
        number = 0
        async for piece in source.chunks():
            await stream.send_audio(piece)
            number += 1
            if number == last_of_sentence:
                begin_s = time.monotonic()
                await (
                    await stream.finalize()
                )  # The next piece is due in 100 ms; the pace is kept.
                finalize_ms.append(round((time.monotonic() - begin_s) * 1000))
        await stream.end_audio()


def _model_ms(view: LiveView) -> int | None:
    if view.ended is None or view.ended.latency.decode_ms is None:
        return None
    return view.ended.latency.decode_ms + (view.ended.latency.encode_ms or 0)


def _line(result: RecognitionResult, at_s: float, pacing: Pacing) -> Text:
    kind = ("final  ", "bold green") if result.is_final else ("partial", "dim")
    when = f"{at_s:6.2f} s " if pacing is Pacing.REALTIME else f"[{clock(result.start_ms)}] "
    return Text.assemble(
        (when, "cyan"),
        *((kind, "  ") if pacing is Pacing.REALTIME else ()),
        result.stable_text,
        (result.unstable_text, "dim italic"),
    )


def _recognition_rows(spoken: Measured, read: Measured, finalize_ms: list[int]) -> list[Row]:
    rows: list[Row] = []
    if spoken.first_words_ms is not None:
        rows.append(("live: first words after speech starts", f"{spoken.first_words_ms} ms"))
    rows += [("live: final after the client says finalize", f"{ms} ms") for ms in finalize_ms]
    if spoken.model_ms is not None:
        share = spoken.model_ms / spoken.audio_ms
        rows.append(("live: model time for one second of audio", f"{share * 1000:.0f} ms"))
    return [
        *rows,
        ("file: length", f"{read.audio_ms / 1000:.1f} s"),
        ("file: time to recognize", f"{read.wall_ms / 1000:.2f} s"),
        ("file: speed", f"{read.audio_ms / max(1, read.wall_ms):.1f} x real time"),
    ]


def _folder(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="speech-demo-"))
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cannot_write(given, error)
    return given


def _recording(name: str) -> Path:
    """Give a recording inside an installed package, found without importing it."""
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        file = Path(folder) / "assets" / name
        if file.is_file():
            return file
    raise missing_extra("server", "moonshine-voice")


def _length_ms(file: Path) -> int:
    with file.open("rb") as opened:
        wav = parse_wav(opened.read(_WAV_HEADER_BYTES))
    return round(wav.data_bytes / wav.bytes_per_second * 1000) if wav is not None else 0
