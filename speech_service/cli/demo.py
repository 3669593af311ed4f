"""``speech-service demo``: the whole service in half a minute, with real speech and no network.

Starts a server on free ports, streams a recording at real time, transcribes a longer one as fast as it can, prints what
was measured and what to try next, and stops the server.
"""

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from speech_client import (
    Pacing,
    RecognitionResult,
    RecognizeOptions,
    RecognizeStream,
    SpeechClient,
)
from speech_client.sources import parse_wav
from speech_service.cli.demo_server import DemoServer
from speech_service.cli.failure import ExitCode, missing_extra
from speech_service.cli.live_view import LiveView, clock

_PACKAGE = "moonshine_voice"
_LIVE_RECORDING = "beckett.wav"
_LONG_RECORDING = "two_cities.wav"
_WAV_HEADER_BYTES = 64 * 1024

_NEXT = """\
Start the service                speech-service serve
Transcribe your files            speech-service recognize *.wav
Speak                            speech-service listen mic
What it can do                   speech-service models
Is all well?                     speech-service doctor
List services, with grpcurl      grpcurl -plaintext localhost:50051 list
  or with buf                    buf curl --protocol grpc --http2-prior-knowledge \
http://localhost:50051 --list-services
Recognize, with grpcurl          printf '{"config":{"audio":{"auto_detect":{}}},"audio":"%s"}' \
"$(base64 -w0 FILE)" | grpcurl -plaintext -d @ localhost:50051 speech.v1.RecognitionService/Recognize
  or with buf                    printf '{"config":{"audio":{"auto_detect":{}}},"audio":"%s"}' \
"$(base64 -w0 FILE)" | buf curl --protocol grpc --http2-prior-knowledge -d @- \
http://localhost:50051/speech.v1.RecognitionService/Recognize
Load with k6, after make setup   .venv/bin/python -m benchmarks k6_load"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one recording showed; times in milliseconds."""

    audio_ms: int
    wall_ms: int
    first_partial_ms: int | None
    final_delays_ms: tuple[int, ...]
    pause_ms: int
    """Silence that ends a segment, in force."""
    model_ms: int | None
    """Spent in encoders and decoders, as the server says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
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
    async with DemoServer(given.log_file) as server:
        with console.status("Starting a server of its own ..."):
            started_s = time.monotonic()
            target = await server.ready()
        console.print(f"Server ready on {target} after {time.monotonic() - started_s:.1f} s.\n")
        async with SpeechClient.connect(target) as client:
            model = await _default_model(client)
            console.rule(f"Live: {live.name}, sent as it is spoken", align="left")
            spoken = await _transcribe(client, console, live, Pacing.REALTIME)
            console.print()
            console.rule(f"Whole file: {long.name}, sent as fast as the server reads", align="left")
            read = await _transcribe(client, console, long, Pacing.FILE)
        stopped_ms = await server.stop()
    console.print()
    console.print(_table(model, spoken, read, stopped_ms))
    console.rule("Next", align="left")
    console.print(_NEXT, soft_wrap=True, markup=False)
    return ExitCode.OK


async def _default_model(client: SpeechClient) -> str:
    models = await client.list_models("recognizer")
    return next((model.name for model in models if model.is_default), "")


async def _transcribe(
    client: SpeechClient, console: Console, file: Path, pacing: Pacing
) -> Measured:
    """Send a recording and print what comes back, as it comes."""
    view = LiveView(file.name, "", "")
    options = RecognizeOptions(language="en")
    async with client.stream_file(file, pacing=pacing, **options) as stream:
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
        first_partial_ms=view.first_partial_ms,
        final_delays_ms=tuple(view.final_delays_ms),
        pause_ms=_pause_ms(stream),
        model_ms=_model_ms(view),
    )


def _pause_ms(stream: RecognizeStream) -> int:
    started = stream.session.raw
    if started is None:
        return 0
    return started.effective_config.endpointing.end_silence.ToMilliseconds()


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


def _table(model: str, spoken: Measured, read: Measured, stopped_ms: int) -> Table:
    table = Table(title=f"Measured just now with {model}", title_justify="left")
    table.add_column("What")
    table.add_column("Value", justify="right")
    rows: list[tuple[str, str]] = []
    if spoken.first_partial_ms is not None:
        rows.append(("live: first partial after speech starts", f"{spoken.first_partial_ms} ms"))
    if spoken.final_delays_ms:
        delay_ms = statistics.median(spoken.final_delays_ms)
        what = f"live: final after speech ends, median; the {spoken.pause_ms} ms pause included"
        rows.append((what, f"{delay_ms:.0f} ms"))
    if spoken.model_ms is not None:
        share = spoken.model_ms / spoken.audio_ms
        rows.append(("live: model time for one second of audio", f"{share * 1000:.0f} ms"))
    rows += [
        ("file: length", f"{read.audio_ms / 1000:.1f} s"),
        ("file: time to transcribe", f"{read.wall_ms / 1000:.2f} s"),
        ("file: speed", f"{read.audio_ms / max(1, read.wall_ms):.1f} x real time"),
        ("server: SIGTERM to exit", f"{stopped_ms} ms"),
    ]
    for what, value in rows:
        table.add_row(what, value)
    return table


def _recording(name: str) -> Path:
    """A recording inside an installed package, found without importing it."""
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
