"""``speech-service demo-qwen FOLDER``: the Qwen3 engine with a real model, small enough for any machine.

Starts a server with the digit recognizer of FOLDER (``target`` and ``draft``, as ``benchmarks/digits`` trains
them), lets the embedded voice say digits, and streams them back as they are spoken, partials and finals.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from speech_client import Pacing, RecognitionResult, SpeechClient
from speech_service.cli.demo_server import DemoServer
from speech_service.cli.demo_speech import matching_words
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.texts import write_file
from speech_service.cli.ui.live_view import LiveView
from speech_service.cli.ui.tables import Column, show

STRINGS = (
    "three one four one five nine",
    "two seven one eight two eight",
    "one six one eight zero three four",
)
_COLUMNS = (
    Column("Said"),
    Column("Words heard", right=True),
    Column("First words after speech starts", right=True),
)
_CONFIG = """\
scheduler.lanes = 1

[[models]]
kind = "recognizer/qwen3"
name = "digits"
[models.options]
model = {target}
draft = {draft}
decoding = "previous+draft"
dtype = "float32"
threads = 1

[[models]]
kind = "synthesizer/hibari"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="holds the checkpoints target and draft")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="keep the server's log")


def run(given: argparse.Namespace) -> int:
    """Show it; returns 0 when every string was spoken and heard and the server stopped cleanly.

    Raises:
        CommandError: the checkpoints are missing, or the server does not start or stop.
        SpeechApiError: the server refused a request.
    """
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    console = Console(highlight=False)
    for part in ("target", "draft"):
        if not (given.folder / part / "config.json").is_file():
            raise CommandError(f"{given.folder}: holds no checkpoint {part!r}", ExitCode.USAGE)
    work = Path(tempfile.mkdtemp(prefix="speech-demo-"))
    config = work / "qwen.toml"
    write_file(config, _config(given.folder))
    rows: list[tuple[str, str, str]] = []
    async with DemoServer(given.log_file, config) as server:
        with console.status("Starting a server with the Qwen3 engine ..."):
            target = await server.ready()
        async with SpeechClient.connect(target) as client:
            for number, said in enumerate(STRINGS):
                console.rule(f"Say: {said}", align="left")
                rows.append(await _say_and_hear(client, console, said, work / f"{number}.wav"))
                console.print()
        await server.stop()
    console.print("Spoken by the embedded voice, heard by the Qwen3 engine")
    show(_COLUMNS, rows)
    return ExitCode.OK


async def _say_and_hear(
    client: SpeechClient, console: Console, said: str, file: Path
) -> tuple[str, str, str]:
    reply = await client.synthesize(
        said, encoding="wav", sample_rate_hz=16_000, language="en", speaking_rate=0.9
    )
    write_file(file, reply.audio)
    view, finals = LiveView(file.name, "", ""), list[str]()
    async with client.stream_file(file, pacing=Pacing.REALTIME, language="en") as stream:
        begin_s = time.monotonic()
        async for event in stream:
            view.take(event, round((time.monotonic() - begin_s) * 1000))
            if isinstance(event, RecognitionResult) and event.text:
                kind = "final  " if event.is_final else "partial"
                when = f"{time.monotonic() - begin_s:6.2f} s  "
                console.print(Text.assemble((when, "cyan"), f"{kind}  {event.text}"))
                finals += [event.text] if event.is_final else []
    same, total = matching_words(said, " ".join(finals))
    first = "-" if view.first_words_ms is None else f"{view.first_words_ms} ms"
    return said, f"{same} of {total}", first


def _config(folder: Path) -> str:
    quoted = {
        part: '"' + str((folder / part).resolve()).replace("\\", "\\\\") + '"'
        for part in ("target", "draft")
    }
    return _CONFIG.format(**quoted)
