"""Load in a process of its own: ``python -m benchmarks.gpu.load JOB`` does one job and prints what came of it.

A job is a JSON object: what (``recognize``, ``listen``, ``speak``, ``arrive``, ``converse``), the server's address,
how many streams or requests, for how long, and a seed of its own, so that no two processes play or say the same.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import client, corpus, synthesis_client
from benchmarks.client import Settings
from benchmarks.corpus import RATE
from benchmarks.gpu.arrivals import poisson_s
from benchmarks.gpu.playback import underruns
from benchmarks.synthesis_texts import SENTENCES
from speech.v1 import common_pb2, recognition_service_pb2

Job = dict[str, Any]
Found = dict[str, list[Any]]
OFF = common_pb2.ENDPOINTING_MODE_OFF
_SEEDS_PER_JOB = 100_000
LISTEN_S = 24.0
"""Of a session: one segment."""
STAGGER_S = 5.0


def recordings(job: Job) -> Callable[[int, float], bytes]:
    """Gives so many seconds of read speech by number: no two begin with the same sample.

    The front end's detector of speech takes no synthetic sound for it.
    """
    speech = b"".join(clip.pcm for clip in corpus.bundled())

    def recording(number: int, seconds: float) -> bytes:
        place = 2 * random.Random(f"{job['seed']} {number}").randrange(len(speech) // 2)
        wanted = 2 * round(seconds * RATE)
        return ((speech[place:] + speech[:place]) * (1 + wanted // len(speech)))[:wanted]

    return recording


async def recognize(job: Job) -> Found:
    """Closed loop: ``streams`` callers, each asks for its next recording when the last one is answered."""
    recording = recordings(job)
    waiting = iter([recording(number, job["clip_s"]) for number in range(job["requests"])])
    found: Found = {"ms": [], "errors": []}

    async def caller(stub: client.Stub) -> None:
        for clip in waiting:
            begin_s = time.perf_counter()
            reply = await stub.Recognize(_request(clip), timeout=600)
            if not reply.results or not all(result.text for result in reply.results):
                found["errors"].append("an answer without a text")
            found["ms"].append((time.perf_counter() - begin_s) * 1000)

    async with client.connect_many(job["target"], job["streams"]) as stubs:
        begin_s = time.perf_counter()
        await asyncio.gather(*(caller(stub) for stub in stubs))
    found["wall_s"] = [time.perf_counter() - begin_s]
    return found


def _request(clip: bytes) -> recognition_service_pb2.RecognizeRequest:
    config = recognition_service_pb2.RecognitionConfig(
        audio=client.pcm_format(), endpointing=common_pb2.EndpointingConfig(mode=OFF)
    )
    return recognition_service_pb2.RecognizeRequest(config=config, audio=clip)


async def listen(job: Job) -> Found:
    """Open loop: ``streams`` microphones in real time, sessions of 24 s one after another until the time is up."""
    settings = Settings(partial_interval_s=job["interval_s"], timeout_s=30, endpointing=OFF)
    sessions = max(1, round(job["seconds"] / LISTEN_S))
    length_s = min(LISTEN_S, job["seconds"])
    recording = recordings(job)
    found: Found = {"final_ms": [], "partial_ms": [], "send_lag_ms": [], "errors": []}
    epoch = time.perf_counter() + 0.5

    async def microphone(stub: client.Stub, number: int) -> None:
        start = epoch + STAGGER_S * (number + random.Random(number).random()) / job["streams"]
        for turn in range(sessions):
            sound = recording(number + turn * job["streams"], length_s)
            session = await client.stream(stub, str(number), sound, settings, start)
            _keep(found, session)
            start = max(start + length_s, time.perf_counter())

    async with client.connect_many(job["target"], job["streams"]) as stubs:
        await asyncio.gather(*(microphone(stub, n) for n, stub in enumerate(stubs)))
    return found


def _keep(found: Found, session: client.Session) -> None:
    if session.failed:
        found["errors"].append(session.error or "no session_ended")
    final_s = session.final_after_last_audio()
    if final_s is not None:
        found["final_ms"].append(final_s * 1000)
    found["partial_ms"] += [
        (seen.at - session.spoken_at(seen.end_ms / 1000)) * 1000 for seen in session.partials
    ]
    found["send_lag_ms"] += [lag * 1000 for lag in session.send_lags]


async def speak(job: Job) -> Found:
    """Closed loop of one: a text, and the next when it has been heard."""
    found: Found = {"first_ms": [], "underruns": [], "errors": []}
    async with synthesis_client.connect(job["target"]) as ((_, stub),):
        for number in range(job["requests"]):
            await _say(stub, _text(job, number), found)
    return found


async def arrive(job: Job) -> Found:
    """Open loop: texts arrive by a Poisson process, each on a connection of 32."""
    found: Found = {"first_ms": [], "underruns": [], "errors": []}
    times_s = poisson_s(job["rate_per_s"], job["seconds"], job["seed"])
    async with synthesis_client.connect(job["target"], 32) as connections:
        begin_s = time.perf_counter() + 0.1

        async def one(number: int, at_s: float) -> None:
            await asyncio.sleep(begin_s + at_s - time.perf_counter())
            _, stub = connections[number % len(connections)]
            await _say(stub, _text(job, number), found)

        await asyncio.gather(*(one(number, at_s) for number, at_s in enumerate(times_s)))
    return found


async def converse(job: Job) -> Found:
    """``streams`` listeners: each hears a text to its end as it is played, pauses, and asks for the next."""
    found: Found = {"first_ms": [], "underruns": [], "errors": []}
    end_s = time.perf_counter() + job["seconds"]

    async def listener(stub: Any, number: int) -> None:
        pauses = random.Random(job["seed"] * _SEEDS_PER_JOB + number)
        await asyncio.sleep(STAGGER_S * pauses.random())
        turn = 0
        while time.perf_counter() < end_s:
            heard = await _say(stub, _text(job, number + 37 * turn), found)
            turn += 1
            if heard is None:
                return
            played_s = heard.arrivals[0].at + heard.audio_ms / 1000
            await asyncio.sleep(max(0.0, played_s - time.perf_counter()) + pauses.uniform(0.2, 1.0))

    async with synthesis_client.connect(job["target"], job["streams"]) as connections:
        await asyncio.gather(*(listener(stub, n) for n, (_, stub) in enumerate(connections)))
    return found


async def _say(stub: Any, text: str, found: Found) -> synthesis_client.Heard | None:
    """Ask for a text and hear it."""
    try:
        heard = await synthesis_client.chunked(stub, text)
    except synthesis_client.grpc.aio.AioRpcError as error:
        found["errors"].append(error.code().name)
        return None
    if not heard.arrivals or not heard.ended:
        found["errors"].append("no audio, or no end")
        return None
    found["first_ms"].append(heard.first_audio_ms)
    pieces = [(piece.at, piece.duration_ms / 1000) for piece in heard.arrivals]
    found["underruns"].append(underruns(pieces))
    return heard


def _text(job: Job, number: int) -> str:
    """A text that nobody has said."""
    return f"{SENTENCES[number % len(SENTENCES)]} {job['seed']} {number}."


JOBS: dict[str, Callable[[Job], Awaitable[Found]]] = {
    job.__name__: job for job in (recognize, listen, speak, arrive, converse)
}


async def _run(job: Job) -> Found:
    return await JOBS[job["what"]](job)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_run(json.loads(sys.argv[1])))) + "\n")
