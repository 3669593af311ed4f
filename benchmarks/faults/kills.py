"""The worker killed again and again under live recognition and synthesis: nobody may notice but by a pause.

A pass without kills says what every stream should come to: FINALs and speech do not depend on time. Then each stream
goes round and round, and the worker is killed with SIGKILL as often as is asked, each time after it finished something.
"""

import asyncio
import contextlib
import hashlib
import math
from dataclasses import dataclass
from typing import Any

import grpc
import psutil

from benchmarks import client, corpus, harness
from benchmarks.faults.options import HARM, Harm, Options, Result, figure_row
from benchmarks.faults.starved import next_worker, work_done
from benchmarks.harness import UNBOUNDED, Server, Setup
from benchmarks.synthesis_client import TIMEOUT_S, config
from benchmarks.synthesis_client import connect as connect_speech
from benchmarks.synthesis_texts import SENTENCES
from speech.v1 import synthesis_service_pb2 as pb

NAME = "the worker killed under live streams"
KILLS = 66
"""Shared by the repeats."""
_QUICK_KILLS = 2
_LISTENERS = 3
_SPEAKERS = 2
_SETTINGS = client.Settings(timeout_s=240.0, partials=False)


@dataclass(slots=True)
class Tally(Harm):
    """What came of the streams while the worker was killed."""

    rounds: int = 0


async def run(options: Options) -> Result:
    """One server and one tally for each repeat."""
    kills = _QUICK_KILLS if options.quick else math.ceil(KILLS / options.repeats)
    tallies: list[Tally] = []
    with harness.progress("kills", options.repeats * kills) as advance:
        for _ in range(options.repeats):
            tally = Tally()
            with Server(Setup(UNBOUNDED), "faults-kills") as server:
                await _one(server, kills, tally, advance)
            tallies.append(tally)
    figures = [
        figure_row(
            f"{column} in {kills} kills", "streams", [getattr(t, column) for t in tallies], 0.0
        )
        for column in HARM
    ]
    settings = {
        "streams": f"{_LISTENERS} live recognitions, {_SPEAKERS} syntheses, all the time",
        "kills": f"{kills} x SIGKILL, each after the worker finished something",
    }
    detail: dict[str, Any] = {
        column: [getattr(tally, column) for tally in tallies]
        for column in ("rounds", *HARM, "problems")
    }
    return {"figures": figures, "settings": settings, "detail": detail}


def plot(axes: Any, result: Result) -> None:
    """A bar for each kind of harm; no bar is the aim."""
    detail = result["detail"]
    axes.bar(HARM, [sum(detail[name]) for name in HARM], color="#c1121f")
    axes.set_ylim(bottom=0, top=max(1, axes.get_ylim()[1]))
    axes.set_ylabel(f"of {sum(detail['rounds'])} streams")


async def _one(server: Server, kills: int, tally: Tally, advance: Any) -> None:
    clips = corpus.bundled()
    pcm = [clips[index % len(clips)].pcm for index in range(_LISTENERS)]
    texts = [" ".join(SENTENCES[3 * index : 3 * index + 3]) for index in range(_SPEAKERS)]
    async with (
        client.connect(server.target) as stub,
        connect_speech(server.target) as [(_, speech)],
    ):
        right = await asyncio.gather(
            *(client.stream(stub, "right", each, _SETTINGS) for each in pcm)
        )
        sounds = [await _speak(speech, text) for text in texts]
        over = asyncio.Event()
        streams = [
            asyncio.create_task(_listen(stub, each, session, over, tally))
            for each, session in zip(pcm, right, strict=True)
        ]
        streams += [
            asyncio.create_task(_repeat(speech, text, sound, over, tally))
            for text, sound in zip(texts, sounds, strict=True)
        ]
        for _ in range(kills):
            await _kill(server)
            advance("")
        over.set()
        await asyncio.gather(*streams)


async def _kill(server: Server) -> None:
    """Kill the worker that runs once it has finished something, and wait for the next one."""
    worker = await next_worker(server, 0)
    before = await work_done(server)
    while await work_done(server) <= before:  # noqa: ASYNC110 - another process finishes it
        await asyncio.sleep(0.1)
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.kill()
    await next_worker(server, worker.pid)


async def _listen(
    stub: client.Stub, pcm: bytes, right: client.Session, over: asyncio.Event, tally: Tally
) -> None:
    while not over.is_set():
        session = await client.stream(stub, "killed", pcm, _SETTINGS)
        tally.rounds += 1
        segments = [final.segment for final in session.finals]
        tally.doubled += len(segments) - len(set(segments))
        tally.lost += max(0, len(right.finals) - len(set(segments)))
        if session.failed:
            tally.errors += 1
            tally.problems.append(session.error)
        elif session.text != right.text:
            tally.different += 1
            tally.problems.append("another text")


async def _repeat(speech: Any, text: str, right: str, over: asyncio.Event, tally: Tally) -> None:
    while not over.is_set():
        tally.rounds += 1
        try:
            sound = await _speak(speech, text)
        except grpc.RpcError as error:
            tally.errors += 1
            tally.problems.append(str(error.code()))
            continue
        if sound != right:
            tally.different += 1
            tally.problems.append("another sound")


async def _speak(speech: Any, text: str) -> str:
    """A digest of the whole sound."""
    request = pb.SynthesizeRequest(config=config(), text=text)
    reply = await speech.Synthesize(request, timeout=4 * TIMEOUT_S)
    return hashlib.sha256(reply.audio).hexdigest()
