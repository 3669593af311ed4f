"""How many voices at once: N StreamingSynthesize calls, each with a listener that plays in real time.

Each of N clients has a connection and a stream of its own. It sends a text of about 12 s, plays it from the first audio
on, pauses as in a conversation, and sends the next when it has played out. A piece of audio that comes after the
moment at which its first sample is due is an underrun: the listener hears a gap. Two loads: the clients start spread
over 5 s and pause 0.2 to 1.2 s, and all send every text at the same moment. The client runs on the same cores.

Target: no underrun at 30 streams under either load.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile, percentiles
from benchmarks.synthesis_client import Heard, Stream, connect
from benchmarks.synthesis_texts import PARAGRAPHS

STAGGER_S = 5.0
PAUSE_S = (0.2, 1.2)
SPREAD, AT_ONCE = "spread", "at once"


@dataclass(slots=True)
class Load:
    """What N listeners heard. Times in milliseconds."""

    streams: int
    kind: str
    first_audio: list[float] = field(default_factory=list[float])
    lead: list[float] = field(default_factory=list[float])
    """For each piece but the first of its text: how long before it was due it came; negative: an underrun."""
    failed: list[str] = field(default_factory=list[str])
    texts: int = 0
    audio_s: float = 0.0
    cores: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def underruns(self) -> int:
        """Pieces that came too late."""
        return sum(lead < 0 for lead in self.lead)

    def summary(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "streams": self.streams,
            "load": self.kind,
            "texts": self.texts,
            "audio_s": round(self.audio_s, 1),
            "underruns": self.underruns,
            "failed": self.failed,
            "first_audio_ms": percentiles(self.first_audio),
            "least_lead_ms": round(min(self.lead, default=float("nan")), 1),
            "cores": self.cores,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--streams", type=int, default=30, help="streams at once")
    parser.add_argument("--texts", type=int, default=3, help="texts that each stream speaks")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``synthesis_streams.json``."""
    record = Run("synthesis_streams", args)
    streams, texts = (4, 1) if args.quick else (args.streams, args.texts)
    repeats = 1 if args.quick else args.repeats
    loads: list[Load] = []
    with harness.Server(harness.Setup(harness.UNBOUNDED), "synthesis_streams") as server:
        asyncio.run(_warm_up(server.target))
        with harness.progress("streams", 2 * repeats) as advance:
            for _ in range(repeats):
                for kind in (SPREAD, AT_ONCE):
                    loads.append(_measured(server, Load(streams, kind), texts))
                    advance(kind)
    settings = {
        "streams": streams,
        "texts": f"{texts} of about 12 s for each stream, sent whole, PCM s16 at 24 kHz",
        "underrun": "a piece comes after its first sample was due; played from the first audio on",
        "loads": f"{SPREAD}: starts over {STAGGER_S:g} s, pauses of {PAUSE_S[0]:g} to {PAUSE_S[1]:g} s; "
        f"{AT_ONCE}: every text of all streams at the same moment",
    }
    record.write(_figures(loads), settings, {"loads": [load.summary() for load in loads]})


def playback_leads_ms(heard: Heard) -> list[float]:
    """How long before it was due each piece but the first came, playing from the first one's arrival on."""
    if not heard.arrivals:
        return []
    first, *others = heard.arrivals
    return [(first.at - piece.at) * 1000 + piece.start_ms - first.start_ms for piece in others]


async def _warm_up(target: str) -> None:
    async with connect(target) as ((_, stub),), Stream(stub) as stream:
        await stream.speak("Ready.", "warm-up")


def _measured(server: harness.Server, load: Load, texts: int) -> Load:
    before, own, began = server.cpu(), time.process_time(), time.perf_counter()
    asyncio.run(_listeners(server.target, load, texts))
    wall_s = time.perf_counter() - began
    used = server.cpu() - before
    load.cores = {
        "front_end": round(used.root_s / wall_s, 3),
        "worker": round((used.total_s - used.root_s) / wall_s, 3),
        "client": round((time.process_time() - own) / wall_s, 3),
    }
    return load


async def _listeners(target: str, load: Load, texts: int) -> None:
    together = asyncio.Barrier(load.streams) if load.kind == AT_ONCE else None
    async with connect(target, load.streams) as connections:
        await asyncio.gather(
            *(
                _listener(stub, number, load, texts, together)
                for number, (_, stub) in enumerate(connections)
            )
        )


async def _listener(
    stub: Any, number: int, load: Load, texts: int, together: asyncio.Barrier | None
) -> None:
    pauses = random.Random(number)
    if together is None:
        await asyncio.sleep(STAGGER_S * number / load.streams)
    async with Stream(stub) as stream:
        for turn in range(texts):
            if together is not None:
                await together.wait()
            heard = await stream.speak(PARAGRAPHS[(number + turn) % len(PARAGRAPHS)], str(turn))
            _take(load, heard)
            played_at = heard.arrivals[0].at + heard.audio_ms / 1000 if heard.arrivals else 0.0
            await asyncio.sleep(max(0.0, played_at - time.perf_counter()))
            if together is None:
                await asyncio.sleep(pauses.uniform(*PAUSE_S))


def _take(load: Load, heard: Heard) -> None:
    load.texts += 1
    load.audio_s += heard.audio_ms / 1000
    if heard.error or not heard.arrivals:
        load.failed.append(heard.error or "no audio")
        return
    load.first_audio.append(heard.first_audio_ms)
    load.lead += playback_leads_ms(heard)


def _figures(loads: Sequence[Load]) -> list[Figure]:
    figures: list[Figure] = []
    for kind in (SPREAD, AT_ONCE):
        of_kind = [load for load in loads if load.kind == kind]
        title = f"{of_kind[0].streams} streams {kind}"
        figures += [
            Figure(f"{title}: underruns", "pieces", [float(x.underruns) for x in of_kind], 0.0),
            Figure(f"{title}: failed", "texts", [float(len(x.failed)) for x in of_kind], 0.0),
            Figure(
                f"{title}: least lead over playback",
                "ms",
                [min(x.lead, default=float("nan")) for x in of_kind],
                better="higher",
            ),
            *(
                Figure(
                    f"{title}: first audio, p{percent}",
                    "ms",
                    [percentile(x.first_audio, percent) for x in of_kind],
                )
                for percent in (50, 95)
            ),
            *(
                Figure(
                    f"{title}: {who.replace('_', ' ')}", "cores", [x.cores[who] for x in of_kind]
                )
                for who in ("front_end", "worker", "client")
            ),
        ]
    return figures
