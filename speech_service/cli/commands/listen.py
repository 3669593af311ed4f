"""``speech-service listen FILE|mic``: real time speech, partials turning into finals.

On a terminal the open part is redrawn in place and finals scroll up; elsewhere each final is one plain line.
"""

import argparse
import asyncio
import copy
import io
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from speech_client import AudioFormat, Pacing, RawAudio, RecognitionResult, RecognizeEvent
from speech_client.sources import REALTIME_CHUNK_S, open_source
from speech_service.cli.arguments import (
    add_connection,
    add_recognition,
    connect,
    recognition_options,
)
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.inputs import MIC_FORMAT, microphone, sound_devices, standard_input
from speech_service.cli.lost import telling_loss
from speech_service.cli.texts import write_file
from speech_service.cli.ui.console import terminal
from speech_service.cli.ui.live_view import LiveView, clock, line

_REDRAWS_PER_S = 12
_PICTURE_COLUMNS = 96
_PICTURE_THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "Real time needs WAV or headerless audio (--raw). For others: "
        "ffmpeg -i talk.mp3 -f s16le -ar 16000 -ac 1 - | speech-service listen - --raw pcm_s16le:16000"
    )
    parser.add_argument("source", metavar="FILE|mic|-", help="a WAV file, the microphone, or stdin")
    parser.add_argument(
        "--partials", action="store_true", help="without a terminal, print partials too (after ~)"
    )
    parser.add_argument(
        "--end-silence-ms", type=int, metavar="MS", help="silence that ends a segment"
    )
    parser.add_argument(
        "--record-svg",
        type=Path,
        metavar="FILE",
        help="save the last screen that had a partial on it as a picture",
    )
    add_recognition(parser)
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """Listen until the audio ends; Ctrl-C ends it in order, twice at once.

    Raises:
        CommandError: the microphone cannot be used, or the picture not be written.
        AudioSourceError: the file cannot be read, or not in real time.
        SpeechApiError: the server refused or does not answer.
    """
    try:
        asyncio.run(_ListenSession(given).run())
    except asyncio.CancelledError:  # The second Ctrl-C.
        return ExitCode.INTERRUPTED
    return ExitCode.OK


class _ListenSession:
    """One session: the audio clock, what is shown, and the picture."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._console = terminal()
        self._view = LiveView(Path(given.source).name, given.server, "")
        self._picture: LiveView | None = None
        self._zero_s: float | None = None
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Show what is recognized until the audio ends or somebody stops it."""
        self._catch_interrupt()
        options = recognition_options(self._given)
        pieces, options["format"] = self._audio(options.get("format"))
        if self._given.end_silence_ms is not None:
            options["end_silence_ms"] = self._given.end_silence_ms
        async with (
            connect(self._given) as client,
            client.stream_file(
                self._until_stopped(pieces),
                pacing=Pacing.REALTIME,
                on_sent=self._on_sent,
                **options,
            ) as stream,
        ):
            self._view.model = stream.session.model
            with telling_loss(self._given, lambda: self._view.reached_ms, "the text ends there"):
                if self._console.is_terminal:
                    await self._show_live(stream)
                else:
                    await self._show_plain(stream)
        self._conclude()

    def _audio(self, raw: AudioFormat | None) -> tuple[AsyncIterator[bytes], AudioFormat]:
        source = self._given.source
        if source == "mic":
            sound_devices()  # Before the server is asked for anything.
            return microphone(), MIC_FORMAT
        if source == "-":
            if not isinstance(raw, RawAudio):
                raise CommandError(
                    "listen - reads headerless audio; say which: --raw pcm_s16le:16000",
                    ExitCode.USAGE,
                )
            return standard_input(), raw
        opened = open_source(source, raw, Pacing.REALTIME)
        return opened.chunks(), opened.format

    async def _until_stopped(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Give the pieces until somebody says stop, who waits for none that does not come."""
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while True:
                piece = asyncio.ensure_future(anext(pieces, b""))
                try:
                    await asyncio.wait((piece, stopped), return_when=asyncio.FIRST_COMPLETED)
                    if stopped.done() or not (data := piece.result()):
                        return
                finally:
                    piece.cancel()
                yield data
        finally:
            stopped.cancel()

    async def _show_live(self, events: AsyncIterator[RecognizeEvent]) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            redraw = asyncio.create_task(self._redraw(live))
            try:
                async for event in events:
                    self._take(event)
                    if isinstance(event, RecognitionResult) and event.is_final and event.text:
                        self._console.print(line(event))
            finally:
                redraw.cancel()
                await asyncio.gather(redraw, return_exceptions=True)

    async def _redraw(self, live: Live) -> None:
        """Redraw at a steady rate, since events come faster than a terminal likes to be redrawn."""
        while True:
            live.update(self._view.open_part(), refresh=True)
            await asyncio.sleep(1 / _REDRAWS_PER_S)

    async def _show_plain(self, events: AsyncIterator[RecognizeEvent]) -> None:
        async for event in events:
            self._take(event)
            if isinstance(event, RecognitionResult) and event.text:
                if event.is_final:
                    print(f"[{clock(event.start_ms)}] {event.text}", flush=True)
                elif self._given.partials:
                    print(f"[{clock(event.start_ms)}] ~ {event.text}", flush=True)

    def _take(self, event: RecognizeEvent) -> None:
        self._view.take(event, self._clock_ms())
        if self._given.record_svg and self._view.partials:
            self._picture = copy.deepcopy(self._view)

    def _conclude(self) -> None:
        notes = terminal(stderr=True)
        for note in filter(None, [*self._view.notices, self._view.summary()]):
            notes.print(Text(note, "dim"), soft_wrap=True)
        if self._given.record_svg:
            self._save_picture(self._picture or self._view)

    def _save_picture(self, view: LiveView) -> None:
        console = Console(
            record=True, width=_PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True
        )
        console.print(view.picture())
        svg = console.export_svg(title=view.title(), theme=_PICTURE_THEME)
        # The picture must look the same offline, so it asks for no font from the network.
        svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
        write_file(self._given.record_svg, svg)

    def _on_sent(self, sent: int, total: int | None) -> None:
        now_s = time.monotonic()
        if self._zero_s is None:  # A piece leaves when its last sample has been spoken.
            self._zero_s = now_s - REALTIME_CHUNK_S
        self._view.audio_ms = round((now_s - self._zero_s) * 1000)

    def _clock_ms(self) -> int:
        return 0 if self._zero_s is None else round((time.monotonic() - self._zero_s) * 1000)

    def _catch_interrupt(self) -> None:
        """First Ctrl-C: no more audio, the rest is recognized. Second: stop at once."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupt() -> None:
            if self._stop.is_set() and task is not None:
                task.cancel()
            self._stop.set()

        with suppress(NotImplementedError):  # No signal handlers on this platform's loop.
            loop.add_signal_handler(signal.SIGINT, interrupt)
