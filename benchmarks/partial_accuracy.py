"""Word errors of partials, and what they cost: encoding new audio alone against encoding all of it at each update.

Partials of Moonshine keep what the encoder made of older audio (``settles_after_ms``, decision 8). The same clips go
through the service with its defaults, with audio settled earlier and not at all, and with the longer silence behind
partials that FINALs have, alternated, one stream at a time at ``--speed`` times real time. Each partial, behind the
finals before it, is held against the words that had ended by its last sample; up to two words at its end do not count
where that helps, as they may be right and still be spoken. Unchanged text is not sent again and does not count again.

There is no target: the question is whether the defaults lose anything.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import client, corpus, harness
from benchmarks.client import Session, Settings
from benchmarks.corpus import Clip
from benchmarks.harness import Setup
from benchmarks.results import Run
from benchmarks.stats import Figure
from benchmarks.wer import WordErrors, align, normalise

MODEL = "recognizer/moonshine"
VARIANTS: dict[str, dict[str, object]] = {
    "default": {},
    "settled after 1 s": {"settles_after_ms": 1000},
    "all audio encoded again": {"settles_after_ms": 90_000},
    "300 ms behind partials": {"partial_padding_ms": 300},
}
_OPEN_WORDS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--group", default="en-read", help="manifest group")
    parser.add_argument("--speed", type=float, default=4.0, help="times real time")
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="audio per pass; 0: the whole group"
    )


@dataclass(frozen=True, slots=True)
class Pass:
    """One variant over the clips."""

    errors: WordErrors
    worker: float
    """CPU seconds of the worker per audio second."""
    partials: float
    """PARTIAL results per audio second."""
    dropped: float
    """Per cent of the updates that were given up."""


def run(args: argparse.Namespace) -> None:
    """Measure and write ``partial_accuracy.json``."""
    record = Run("partial_accuracy", args)
    clips = [clip for clip in corpus.load(args.group, args.data) if clip.words]
    clips = corpus.of_length(clips, 15 if args.quick else args.seconds)
    repeats = 1 if args.quick else args.repeats
    passes: dict[str, list[Pass]] = {name: [] for name in VARIANTS}
    for number in range(repeats):
        for name, options in VARIANTS.items():
            setup = Setup(models=(MODEL,), options=options)
            with harness.Server(setup, "partial_accuracy") as server:
                title = f"{name} {number + 1}/{repeats}"
                passes[name].append(asyncio.run(_pass(server, clips, args.speed, title)))
    settings = {
        "pacing": f"one stream at a time, {args.speed:g} x real time, 100 ms chunks, 0.5 s updates",
        "audio": corpus.fingerprint(clips),
        "group": args.group,
        "words": clips[0].words_source,
        "options": VARIANTS,
    }
    record.write(_figures(passes), settings, {})


async def _pass(server: harness.Server, clips: Sequence[Clip], speed: float, title: str) -> Pass:
    settings, errors, partials = Settings(speed=speed, timeout_s=60), WordErrors(), 0
    async with client.connect(server.target) as stub:
        await client.stream(stub, "warm-up", clips[0].pcm, settings)
        before, metrics = server.cpu(), server.metrics()
        with harness.progress(f"partial_accuracy {title}", len(clips)) as advance:
            for clip in clips:
                session = await client.stream(stub, clip.name, clip.pcm, settings)
                if session.failed:
                    raise RuntimeError(f"{clip.name} failed: {session.error}")
                errors += partial_errors(clip, session)
                partials += len(session.partials)
                advance(clip.name)
    used = server.cpu() - before
    work = harness.metric_delta(metrics, server.metrics(), "speech_work_total")
    audio_s = sum(clip.duration_s for clip in clips)
    return Pass(
        errors,
        (used.total_s - used.root_s) / audio_s,
        partials / audio_s,
        harness.dropped_partials(work),
    )


def partial_errors(clip: Clip, session: Session) -> WordErrors:
    """Of all partials of a session together."""
    total = WordErrors()
    for partial in session.partials:
        before = [final.text for final in session.finals if final.segment < partial.segment]
        heard = normalise(" ".join([*before, partial.text]))
        ended = [word for word, _, end_s in clip.words if end_s * 1000 <= partial.end_ms]
        spoken = normalise(" ".join(ended))
        endings = range(max(0, len(heard) - _OPEN_WORDS), len(heard) + 1)
        total += min(
            (align(spoken, heard[:count]) for count in endings), key=lambda found: found.errors
        )
    return total


def _figures(passes: dict[str, list[Pass]]) -> list[Figure]:
    figures: list[Figure] = []
    for name, runs in passes.items():
        rates = [100 * item.errors.rate for item in runs]
        figures.append(Figure(f"word errors of partials, {name}", "%", rates))
    for name, runs in passes.items():
        cpu = [item.worker for item in runs]
        figures.append(Figure(f"worker, {name}", "CPU s / audio s", cpu))
    default = passes["default"]
    sent = [item.partials for item in default]
    figures.append(Figure("partials received, default", "per audio s", sent, better="higher"))
    dropped = [item.dropped for runs in passes.values() for item in runs]
    figures.append(Figure("partial updates dropped", "%", dropped))
    return figures
