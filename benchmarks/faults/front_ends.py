"""Front ends killed again and again under live streams of ``speech_client``: nobody may notice but by a pause.

Two servers share the streams of one client. They are killed with SIGKILL in turn, each time once the other serves
again. What a stream should come to is known beforehand: the recognizer counts the length of what it hears, and the
audio is bursts whose lengths are far from where it would count one more.
"""

import asyncio
import contextlib
import math
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.faults.options import HARM, Harm, Options, Result, figure_row
from benchmarks.harness import Server, Setup
from speech_client import (
    RawAudio,
    RecognitionResult,
    Reconnected,
    ReconnectPolicy,
    SpeechApiError,
    SpeechClient,
)

NAME = "front ends killed under live streams"
STREAMS = 20
_QUICK_STREAMS = 4
_SETUP = Setup(
    models=(harness.FAKE_MODEL,),
    options={"word_ms": 500},
    overrides=("vad.kind=fake", *harness.UNBOUNDED),
)
_RATE = 16_000
_PIECE_MS = 100
_WORDS_OF = {1_600: 4, 2_100: 5, 1_100: 3, 2_600: 6}
"""Bursts by their length in milliseconds: words that the recognizer counts in them, padding or not."""
_BURSTS_MS = tuple(_WORDS_OF)
_PAUSE_MS = 900
_TAIL_MS = 224
"""Of a segment's audio behind its speech."""
_FRAME_MS = 32
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven")
_POLICY = ReconnectPolicy(attempts=100, total_s=300.0)
_LONGEST_S = 600.0


@dataclass(slots=True)
class Tally(Harm):
    """What came of the streams while front ends ended."""

    streams: int = 0
    finals: int = 0
    pauses_ms: list[int] = field(default_factory=list[int])
    starts_ms: list[int] = field(default_factory=list[int])
    """How long servers took to serve again."""


class FrontEnd:
    """A server that comes back at the same address."""

    def __init__(self, name: str, overrides: Sequence[str]) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.target = f"127.0.0.1:{chosen.getsockname()[1]}"
        self._name = name
        self._overrides = overrides
        self._server: Server | None = None

    def start(self) -> int:
        """Start it; gives the milliseconds until it served."""
        began_s = time.monotonic()
        overrides = (*_SETUP.overrides, *self._overrides, f"server.listen={self.target}")
        setup = Setup(models=_SETUP.models, options=_SETUP.options, overrides=overrides)
        self._server = Server(setup, self._name).__enter__()
        return round((time.monotonic() - began_s) * 1000)

    @property
    def port(self) -> int:
        """Of ``target``."""
        return int(self.target.rpartition(":")[2])

    def kill(self) -> None:
        """SIGKILL."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._server.pid, signal.SIGKILL)
            self._server.stop()

    def stop(self) -> None:
        """SIGTERM, and wait: what is open is told to go on elsewhere, and has its time to."""
        if self._server is not None:
            self._server.stop()


@dataclass(frozen=True, slots=True)
class Ending:
    """How servers end, again and again.

    Attributes:
        what: in a word, such as "kills".
        told: in a sentence, for the settings.
        count: how often, shared by the repeats.
        quick: how often in a smoke test.
        end: does it to one.
        before: what stands before the two servers; it gives the address that clients call.
        overrides: settings of the servers.
    """

    what: str
    told: str
    count: int
    quick: int
    end: Callable[[FrontEnd], None]
    before: Callable[[Sequence[FrontEnd]], AbstractAsyncContextManager[str]]
    overrides: Sequence[str] = ()


@asynccontextmanager
async def nothing(ends: Sequence[FrontEnd]) -> AsyncIterator[str]:
    """The client knows both addresses."""
    yield "ipv4:" + ",".join(end.target for end in ends)


KILLED = Ending("kills", "SIGKILL", 40, 2, FrontEnd.kill, nothing)


async def run(options: Options) -> Result:
    """Two servers and one tally for each repeat."""
    return await measure(options, KILLED)


async def measure(options: Options, ending: Ending) -> Result:
    """Two servers that end in turn, and one tally, for each repeat."""
    kills = ending.quick if options.quick else math.ceil(ending.count / options.repeats)
    streams = _QUICK_STREAMS if options.quick else STREAMS
    tallies: list[Tally] = []
    with harness.progress(ending.what, options.repeats * kills) as advance:
        for _ in range(options.repeats):
            tally = Tally()
            await _one(ending, kills, streams, tally, advance)
            tallies.append(tally)
    said = f"{kills} {ending.what}"
    figures = [
        figure_row(f"{column} in {said}", "", [getattr(t, column) for t in tallies], 0.0)
        for column in HARM
    ]
    longest = [max(t.pauses_ms, default=0) / max(t.starts_ms) for t in tallies]
    figures.append(
        figure_row(f"longest pause of {said} over a server's longest start", "x", longest, 2.0)
    )
    settings = {
        "streams": f"{streams} live recognitions of speech_client, all the time",
        ending.what: f"{kills} x {ending.told} of two front ends in turn, each once both serve",
        "recognizer": "the one that counts; the figures are of everything but a model",
    }
    detail: dict[str, Any] = {
        column: [getattr(tally, column) for tally in tallies]
        for column in ("streams", "finals", *HARM, "pauses_ms", "starts_ms", "problems")
    }
    return {"figures": figures, "settings": settings, "detail": detail}


def plot(axes: Any, result: Result) -> None:
    """How long streams paused, and a line where a server takes to start; harm is in the label."""
    detail = result["detail"]
    pauses = [ms / 1000 for row in detail["pauses_ms"] for ms in row]
    start_s = max(ms for row in detail["starts_ms"] for ms in row) / 1000
    axes.hist(pauses, bins=30, color="#1d4e89")
    axes.axvline(start_s, color="#c1121f", label="longest start of a server")
    harm = {name: sum(detail[name]) for name in HARM}
    said = ", ".join(f"{count} {name}" for name, count in harm.items())
    axes.set_xlabel(f"pause, s; of {sum(detail['finals'])} FINALs: {said}")
    axes.set_ylabel("pauses")
    axes.legend()


async def _one(ending: Ending, kills: int, streams: int, tally: Tally, advance: Any) -> None:
    names = (f"faults-{ending.what}-{number}" for number in range(2))
    ends = [FrontEnd(name, ending.overrides) for name in names]
    over = asyncio.Event()
    try:
        for end in ends:
            tally.starts_ms.append(await asyncio.to_thread(end.start))
        async with (
            ending.before(ends) as target,
            SpeechClient.connect(target, reconnect=_POLICY) as client,
        ):
            speaking = [
                asyncio.create_task(_speak_on(client, number, over, tally))
                for number in range(streams)
            ]
            for end in islice(cycle(ends), kills):
                await asyncio.sleep(2.0)  # streams spread, and are in the middle of something
                await asyncio.to_thread(ending.end, end)
                tally.starts_ms.append(await asyncio.to_thread(end.start))
                advance("")
            over.set()
            async with asyncio.timeout(_LONGEST_S):
                await asyncio.gather(*speaking)
    finally:
        for end in ends:
            end.kill()


async def _speak_on(client: SpeechClient, number: int, over: asyncio.Event, tally: Tally) -> None:
    await asyncio.sleep(number * 0.05)
    while not over.is_set():
        lengths = [_BURSTS_MS[(number + index) % len(_BURSTS_MS)] for index in range(4)]
        tally.streams += 1
        try:
            finals = await _stream(client, lengths, tally)
        except SpeechApiError as error:
            tally.errors += 1
            tally.problems.append(str(error))
            continue
        _judge(finals, lengths, tally)


async def _stream(
    client: SpeechClient, lengths: list[int], tally: Tally
) -> list[RecognitionResult]:
    """One live stream from beginning to end."""
    finals: list[RecognitionResult] = []
    async with client.stream_recognize(format=RawAudio(_RATE)) as stream:

        async def send() -> None:
            loop = asyncio.get_running_loop()
            due_s = loop.time()
            for piece in _pieces(lengths):
                await stream.send_audio(piece)
                due_s += _PIECE_MS / 1000
                await asyncio.sleep(max(0.0, due_s - loop.time()))
            await stream.end_audio()

        sending = asyncio.create_task(send())
        try:
            async for event in stream:
                if isinstance(event, Reconnected):
                    tally.pauses_ms.append(event.pause_ms)
                elif isinstance(event, RecognitionResult) and event.is_final:
                    finals.append(event)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return finals


def _judge(finals: list[RecognitionResult], lengths: list[int], tally: Tally) -> None:
    ids = [final.segment_id for final in finals]
    tally.finals += len(finals)
    tally.doubled += len(ids) - len(set(ids))
    tally.lost += max(0, len(lengths) - len(set(ids)))
    begin_ms = 0
    for number, (final, length_ms) in enumerate(zip(finals, lengths, strict=False), 1):
        words = " ".join(_WORDS[: _WORDS_OF[length_ms]])
        is_there = abs(final.end_ms - _TAIL_MS - begin_ms - length_ms) <= 2 * _FRAME_MS
        if (final.segment_id, final.text) != (number, words) or not is_there:
            tally.different += 1
            tally.problems.append(f"segment {final.segment_id} ends at {final.end_ms} ms")
        begin_ms += length_ms + _PAUSE_MS


def _pieces(lengths: list[int]) -> list[bytes]:
    """16-bit tones of these lengths, with pauses behind them."""
    parts: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    for length_ms in lengths:
        t = np.arange(length_ms * _RATE // 1000) / _RATE
        tone = 0.3 * (0.75 + 0.25 * np.sin(2 * np.pi * 4 * t)) * np.sin(2 * np.pi * 180 * t)
        parts += [tone, np.zeros(_PAUSE_MS * _RATE // 1000)]
    data = (np.concatenate(parts) * 32767).astype("<i2").tobytes()
    size = _PIECE_MS * _RATE // 1000 * 2
    return [data[at : at + size] for at in range(0, len(data), size)]
