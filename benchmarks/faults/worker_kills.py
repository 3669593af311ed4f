"""The worker killed again and again under live streams of ``speech_client``: nobody may notice but by a late FINAL.

More streams and more kills than ``kills``, which has the embedded models and voices; the recognizer is the one that
counts.
"""

import asyncio
import contextlib
import math
import time
from typing import Any

import psutil

from benchmarks import harness
from benchmarks.faults import live_streams
from benchmarks.faults.live_streams import Tally
from benchmarks.faults.options import HARM, Options, Result, figure_row
from benchmarks.faults.starved import next_worker, work_done
from benchmarks.harness import Server
from speech_client import SpeechClient

NAME = "the worker killed under live streams of speech_client"
KILLS = 200
"""Shared by the repeats."""
_QUICK_KILLS = 2


async def run(options: Options) -> Result:
    """One server and one tally for each repeat."""
    kills = _QUICK_KILLS if options.quick else math.ceil(KILLS / options.repeats)
    streams = live_streams.QUICK_STREAMS if options.quick else live_streams.STREAMS
    tallies: list[Tally] = []
    with harness.progress("kills", options.repeats * kills) as advance:
        for _ in range(options.repeats):
            tally = Tally()
            with Server(live_streams.SETUP, "faults-worker-kills") as server:
                await _one(server, kills, streams, tally, advance)
            tallies.append(tally)
    figures = [
        figure_row(
            f"{column} in {kills} worker kills", "", [getattr(t, column) for t in tallies], 0.0
        )
        for column in HARM
    ]
    late = [max(_pauses_ms(tally)) / max(tally.starts_ms) for tally in tallies]
    figures.append(figure_row("latest FINAL over a worker's longest start", "x", late, 2.0))
    settings = {
        "streams": f"{streams} live recognitions of speech_client, all the time",
        "kills": f"{kills} x SIGKILL, each after the worker finished something",
        "recognizer": "the one that counts; the figures are of everything but a model",
        "late": "time from the end of the audio to its FINAL, less the shortest such time of the repeat",
    }
    detail: dict[str, Any] = {
        column: [getattr(tally, column) for tally in tallies]
        for column in ("streams", "finals", *HARM, "pauses_ms", "starts_ms", "problems")
    }
    detail["late_ms"] = [_pauses_ms(tally) for tally in tallies]
    return {"figures": figures, "settings": settings, "detail": detail}


def plot(axes: Any, result: Result) -> None:
    """How late FINALs came, and a line where a worker takes to start; harm is in the label."""
    detail = result["detail"]
    axes.hist([ms / 1000 for row in detail["late_ms"] for ms in row], bins=40, color="#1d4e89")
    start_s = max(ms for row in detail["starts_ms"] for ms in row) / 1000
    axes.axvline(start_s, color="#c1121f", label="longest start of a worker")
    said = ", ".join(f"{sum(detail[name])} {name}" for name in HARM)
    axes.set_xlabel(f"FINAL later than the earliest, s; of {sum(detail['finals'])} FINALs: {said}")
    axes.set_yscale("log")
    axes.set_ylabel("FINALs")
    axes.legend()


async def _one(server: Server, kills: int, streams: int, tally: Tally, advance: Any) -> None:
    over = asyncio.Event()
    async with SpeechClient.connect(server.target, reconnect=live_streams.POLICY) as client:
        speaking = [
            asyncio.create_task(live_streams.speak_on(client, number, over, tally))
            for number in range(streams)
        ]
        for _ in range(kills):
            tally.starts_ms.append(await _kill(server))
            advance("")
        over.set()
        async with asyncio.timeout(live_streams.LONGEST_S):
            await asyncio.gather(*speaking)


async def _kill(server: Server) -> int:
    """Kill the worker once it has finished something; milliseconds until the next one has."""
    worker = await next_worker(server, 0)
    await _until_done(server)
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.kill()
    killed_s = time.monotonic()
    await next_worker(server, worker.pid)
    await _until_done(server)
    return round((time.monotonic() - killed_s) * 1000)


async def _until_done(server: Server) -> None:
    """Until something more is done than now."""
    before = await work_done(server)
    while await work_done(server) <= before:  # noqa: ASYNC110 - another process finishes it
        await asyncio.sleep(0.1)


def _pauses_ms(tally: Tally) -> list[int]:
    earliest_ms = min(tally.lags_ms)
    return [round(lag_ms - earliest_ms) for lag_ms in tally.lags_ms]
