"""Alignment: are all words placed, how far off are their starts, and what does Align cost.

Two truths. 60 texts (numbers, abbreviations and invented names among them) are spoken through Synthesize, whose word
timings are the durations that the model spoke with: no aligner had a part in them, and they are exact but for their
grid of 25 ms and for a pause that the model counts to the word after it. The strings of spoken digits of the speech
data are recordings of single words joined with silence: their starts are exact, and the voice is human, at 8 kHz.

A word's start error is the distance from its true start to the start of the unit that Align reports at the same place
in the text; a word without a unit is not placed and has no error, so both figures count together. CPU is that of front
end and worker while all texts are aligned one after another, per second of audio.

Targets: all words placed; mean start error <= 20 ms (synthetic), <= 60 ms (digit strings).
"""

import argparse
import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import grpc.aio

from benchmarks import corpus, harness
from benchmarks.alignment_texts import TEXTS
from benchmarks.corpus import BYTES_PER_S, RATE, Clip, DataMissingError
from benchmarks.results import Run, console
from benchmarks.stats import Figure, percentile, percentiles
from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import (
    alignment_service_pb2_grpc,
    audio_pb2,
    synthesis_service_pb2,
    synthesis_service_pb2_grpc,
)

MEAN_TARGETS_MS = {"synthetic": 20.0, "digit strings": 60.0}
SEED = 1
TIMEOUT_S = 120.0
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is aligned, with its truth."""

    name: str
    text: str
    pcm: bytes = field(repr=False)
    """16 kHz mono s16."""
    starts_ms: dict[int, float]
    """True start of each word, by the offset of its first character in ``text``."""


@dataclass(frozen=True, slots=True)
class Score:
    """One utterance aligned."""

    name: str
    words: int
    errors_ms: tuple[float, ...]
    """Reported start minus true start of each word that was placed."""

    @property
    def missing(self) -> int:
        """Words that were not placed."""
        return self.words - len(self.errors_ms)


@dataclass(frozen=True, slots=True)
class Pass:
    """All utterances of a set, aligned once."""

    scores: Sequence[Score]
    cpu_s: float
    audio_s: float

    @property
    def errors_ms(self) -> list[float]:
        """Absolute start errors of all placed words."""
        return [abs(error) for score in self.scores for error in score.errors_ms]

    @property
    def placed_percent(self) -> float:
        """Share of the words that were placed."""
        return 100 * len(self.errors_ms) / sum(score.words for score in self.scores)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    del parser


def run(args: argparse.Namespace) -> None:
    """Measure and write ``alignment.json``."""
    record = Run("alignment", args)
    texts = TEXTS[::10] if args.quick else TEXTS
    repeats = 1 if args.quick else args.repeats
    with harness.Server(harness.Setup(), "alignment") as server:
        sets = {"synthetic": asyncio.run(spoken(server.target, texts))}
        if strings := _digit_strings(args):
            sets["digit strings"] = strings
        asyncio.run(aligned(server.target, sets["synthetic"][:1]))
        passes = {
            name: [_pass(server, items) for _ in range(repeats)] for name, items in sets.items()
        }
    settings = {
        "calls": "Align, one at a time, 16 kHz s16, worker warm",
        "synthetic": f"{len(texts)} texts, Synthesize with word timings, seed {SEED}",
        "digit strings": [item.name for item in sets.get("digit strings", [])],
        "cpu": "front end and worker, from /proc",
    }
    figures = [figure for name, runs in passes.items() for figure in _figures(name, runs)]
    record.write(figures, settings, {name: _detail(runs[0]) for name, runs in passes.items()})


def score(utterance: Utterance, units: Sequence[pb.AlignedUnit]) -> Score:
    """Compare the units of an answer with the truth."""
    starts = {unit.char_start: unit.start_ms for unit in units}
    truth = utterance.starts_ms
    errors = tuple(starts[at] - true for at, true in truth.items() if at in starts)
    return Score(utterance.name, len(truth), errors)


async def spoken(target: str, texts: Sequence[str]) -> list[Utterance]:
    """Speak the texts; the synthesizer's word timings are the truth."""
    utterances: list[Utterance] = []
    config = synthesis_service_pb2.SynthesisConfig(
        output={"encoding": 1, "sample_rate_hz": RATE},  # pyright: ignore[reportArgumentType] - protobuf takes a mapping
        seed=SEED,
        timing=synthesis_service_pb2.TIMING_WORD,
    )
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = synthesis_service_pb2_grpc.SynthesisServiceStub(channel)
        for number, text in enumerate(texts):
            request = synthesis_service_pb2.SynthesizeRequest(config=config, text=text)
            reply = await stub.Synthesize(request, timeout=TIMEOUT_S)
            starts = {
                first_letter(text, timing.char_start): float(timing.start_ms)
                for timing in reply.timings
            }
            utterances.append(Utterance(f"text {number}", text, reply.audio, starts))
    return utterances


async def aligned(target: str, utterances: Sequence[Utterance]) -> list[Score]:
    """Align one after another."""
    raw = audio_pb2.RawAudio(encoding=audio_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=RATE)
    config = pb.AlignmentConfig(audio=audio_pb2.AudioFormat(raw=raw))
    scores: list[Score] = []
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = alignment_service_pb2_grpc.AlignmentServiceStub(channel)
        for item in utterances:
            request = pb.AlignRequest(config=config, text=item.text, audio=item.pcm)
            reply = await stub.Align(request, timeout=TIMEOUT_S)
            scores.append(score(item, reply.units))
    return scores


def first_letter(text: str, char_start: int) -> int:
    """Where the word at ``char_start`` begins for an aligner: behind a quotation mark, say."""
    letters = (at for at in range(char_start, len(text)) if text[at].isalnum() or text[at] in "$")
    return next(letters, char_start)


def exact(clip: Clip) -> Utterance:
    """A recording whose word times are exact. Its words are those of its text, in order."""
    offsets = [match.start() for match in _WORD.finditer(clip.text)]
    times = (1000 * start for _, start, _ in clip.words)
    return Utterance(clip.name, clip.text, clip.pcm, dict(zip(offsets, times, strict=True)))


def _digit_strings(args: argparse.Namespace) -> list[Utterance]:
    try:
        clips = corpus.load("digits", args.data)
    except DataMissingError as error:
        console.print(f"[yellow]digit strings skipped:[/] {error}")
        return []
    return [exact(clip) for clip in clips if clip.words_source.startswith("exact")]


def _pass(server: harness.Server, items: Sequence[Utterance]) -> Pass:
    before = server.cpu()
    scores = asyncio.run(aligned(server.target, items))
    used = server.cpu() - before
    return Pass(scores, used.total_s, sum(len(item.pcm) for item in items) / BYTES_PER_S)


def _figures(name: str, runs: Sequence[Pass]) -> list[Figure]:
    errors = [run.errors_ms for run in runs]
    placed = [run.placed_percent for run in runs]
    means = [fmean(values) if values else float("nan") for values in errors]
    return [
        Figure(f"{name}: words placed", "%", placed, 100.0, better="higher"),
        Figure(f"{name}: start error, mean", "ms", means, MEAN_TARGETS_MS[name]),
        Figure(f"{name}: start error, median", "ms", [percentile(e, 50) for e in errors]),
        Figure(f"{name}: start error, p95", "ms", [percentile(e, 95) for e in errors]),
        Figure(f"{name}: CPU", "CPU s / audio s", [run.cpu_s / run.audio_s for run in runs]),
    ]


def _detail(run: Pass) -> dict[str, Any]:
    worst = sorted(run.scores, key=lambda item: -max(map(abs, item.errors_ms), default=0.0))[:5]
    return {
        "utterances": len(run.scores),
        "words": sum(item.words for item in run.scores),
        "audio_s": round(run.audio_s, 1),
        "start_error_ms": percentiles(run.errors_ms),
        "not_placed": {item.name: item.missing for item in run.scores if item.missing},
        "worst_ms": {
            item.name: round(max(map(abs, item.errors_ms), default=0.0)) for item in worst
        },
    }
