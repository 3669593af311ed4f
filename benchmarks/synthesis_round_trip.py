"""Round trip: 30 sentences through Synthesize and back through Recognize; WER, and what unary synthesis costs.

The recognizer is the embedded one, so its own errors count too. The sentences hold no digits, because a recognizer may
write those either way; the normaliser is that of the recognition benchmarks (wer.py). CPU is that of front end and
worker together while all sentences are spoken one after another, ``--rounds`` times, per second of audio made; the
worker is warm and nothing is cached.

Targets: WER <= 3 %; <= 0.02 CPU s per audio s.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure
from benchmarks.synthesis_client import MODEL_RATE_HZ, connect, unary
from benchmarks.synthesis_texts import SENTENCES
from benchmarks.wer import corpus_errors, word_errors
from speech.v1 import audio_pb2, recognition_service_pb2_grpc
from speech.v1 import recognition_service_pb2 as pb

WER_TARGET = 3.0
CPU_TARGET = 0.02


@dataclass(slots=True)
class Pass:
    """One repeat."""

    texts: list[str] = field(default_factory=list[str])
    """What was heard, sentence by sentence."""
    audio_s: float = 0.0
    cpu_s: float = 0.0
    front_end_s: float = 0.0
    wall_s: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--rounds", type=int, default=5, help="times that the sentences are spoken")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``synthesis_round_trip.json``."""
    record = Run("synthesis_round_trip", args)
    sentences = SENTENCES[:4] if args.quick else SENTENCES
    rounds, repeats = (1, 1) if args.quick else (args.rounds, args.repeats)
    passes: list[Pass] = []
    with harness.Server(harness.Setup(), "synthesis_round_trip") as server:
        asyncio.run(_recognized(server.target, asyncio.run(_spoken(server.target, sentences[:1]))))
        with harness.progress("round trip", repeats) as advance:
            for _ in range(repeats):
                passes.append(_pass(server, sentences, rounds))
                advance("")
    settings = {
        "sentences": len(sentences),
        "words": corpus_errors((text, text) for text in sentences).words,
        "synthesis": f"unary, PCM s16 at 24 kHz, one call at a time, {rounds} rounds",
        "recognition": "unary, the embedded recognizer",
        "cpu": "front end and worker, from /proc",
    }
    record.write(_figures(sentences, passes), settings, _detail(sentences, passes))


def _pass(server: harness.Server, sentences: Sequence[str], rounds: int) -> Pass:
    result = Pass()
    before, began = server.cpu(), time.perf_counter()
    audio = [asyncio.run(_spoken(server.target, sentences)) for _ in range(rounds)]
    result.wall_s = time.perf_counter() - began
    used = server.cpu() - before
    result.cpu_s, result.front_end_s = used.total_s, used.root_s
    result.audio_s = sum(len(data) for spoken in audio for data in spoken) / 2 / MODEL_RATE_HZ
    result.texts = asyncio.run(_recognized(server.target, audio[0]))
    return result


async def _spoken(target: str, sentences: Sequence[str]) -> list[bytes]:
    async with connect(target) as ((_, stub),):
        return [(await unary(stub, text)).audio for text in sentences]


async def _recognized(target: str, audio: Sequence[bytes]) -> list[str]:
    raw = audio_pb2.RawAudio(
        encoding=audio_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=MODEL_RATE_HZ, channel_count=1
    )
    config = pb.RecognitionConfig(audio=audio_pb2.AudioFormat(raw=raw))
    texts: list[str] = []
    async with connect(target) as ((channel, _),):
        stub = recognition_service_pb2_grpc.RecognitionServiceStub(channel)
        for data in audio:
            request = pb.RecognizeRequest(config=config, audio=data)
            reply = await stub.Recognize(request, timeout=60)
            texts.append(" ".join(result.text for result in reply.results))
    return texts


def _figures(sentences: Sequence[str], passes: Sequence[Pass]) -> list[Figure]:
    rates = [100 * corpus_errors(zip(sentences, item.texts, strict=True)).rate for item in passes]
    unit = "CPU s / audio s"
    return [
        Figure("round-trip WER", "%", rates, WER_TARGET),
        Figure("unary synthesis", unit, [p.cpu_s / p.audio_s for p in passes], CPU_TARGET),
        Figure("of it the front end", unit, [p.front_end_s / p.audio_s for p in passes]),
        Figure(
            "audio seconds per wall second, one call at a time",
            "x",
            [p.audio_s / p.wall_s for p in passes],
            better="higher",
        ),
    ]


def _detail(sentences: Sequence[str], passes: Sequence[Pass]) -> dict[str, Any]:
    """The sentences are in this repository, so what was heard of them may be in the results."""
    wrong = [
        {"spoken": text, "heard": heard}
        for text, heard in zip(sentences, passes[0].texts, strict=True)
        if word_errors(text, heard).errors
    ]
    return {
        "wrong": wrong,
        "audio_s": [round(item.audio_s, 2) for item in passes],
        "same_in_every_repeat": all(item.texts == passes[0].texts for item in passes),
    }
