"""Front ends killed again and again under live streams of ``speech_client``: nobody may notice but by a pause.

Two servers share the streams of one client. They are killed with SIGKILL in turn, each time once the other serves
again.
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
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from benchmarks import harness
from benchmarks.faults import live_streams
from benchmarks.faults.live_streams import Tally
from benchmarks.faults.options import HARM, Options, Result, figure_row
from benchmarks.harness import Server, Setup
from speech_client import SpeechClient

NAME = "front ends killed under live streams"


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
        overrides = (
            *live_streams.SETUP.overrides,
            *self._overrides,
            f"server.listen={self.target}",
        )
        setup = Setup(
            models=live_streams.SETUP.models,
            options=live_streams.SETUP.options,
            overrides=overrides,
        )
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
    streams = live_streams.QUICK_STREAMS if options.quick else live_streams.STREAMS
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
            SpeechClient.connect(target, reconnect=live_streams.POLICY) as client,
        ):
            speaking = [
                asyncio.create_task(live_streams.speak_on(client, number, over, tally))
                for number in range(streams)
            ]
            for end in islice(cycle(ends), kills):
                await asyncio.sleep(2.0)  # streams spread, and are in the middle of something
                await asyncio.to_thread(ending.end, end)
                tally.starts_ms.append(await asyncio.to_thread(end.start))
                advance("")
            over.set()
            async with asyncio.timeout(live_streams.LONGEST_S):
                await asyncio.gather(*speaking)
    finally:
        for end in ends:
            end.kill()
