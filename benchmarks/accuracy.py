"""WER on the manifest's groups: Recognize, StreamingRecognize, and the vendor's SDK offline and streaming.

All four hear the same 16 kHz samples and are scored by the same normaliser (wer.py), in one run. Streaming uses
REALTIME pacing, VAD endpoints, 100 ms chunks and 0.5 s partials, but the client sends at ``--speed`` times real time
(default 10): endpoints depend on the audio alone and a FINAL is decoded from its segment's audio alone, so the finals
are those of real time, only partials may be fewer. ``--speed 1`` checks exactly that. The invariant that streaming
finals equal the FILE-paced result is checked clip by clip.

A greedy decoder on eight-bit products hangs on rounding: an inaudible change of the samples, or another processor's
kernels, changes some words of hard clips. ``--dither`` says how much: the same clips with noise of one least
significant bit, so many times, unary. Compare two builds by these, draw by draw, rather than by one figure.

Targets: en-read <= 8.9 % unary, <= 9.0 % streaming; en-noisy <= 31 %. The vendor's SDK stands beside, as no target.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import client, corpus, harness, vendor
from benchmarks.client import Settings
from benchmarks.corpus import Clip
from benchmarks.results import Run, console
from benchmarks.stats import Figure
from benchmarks.wer import corpus_errors, word_errors

GROUPS = "en-read,en-noisy"
TARGETS = {
    ("en-read", "unary"): 8.9,
    ("en-read", "streaming"): 9.0,
    ("en-noisy", "unary"): 31.0,
    ("en-noisy", "streaming"): 31.0,
}
Texts = dict[str, list[str]]
"""Route to the text of each clip."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--groups", default=GROUPS, help="manifest groups, with commas")
    parser.add_argument("--speed", type=float, default=10.0, help="times real time of the streams")
    parser.add_argument(
        "--dither", type=int, default=0, help="unary again with inaudible noise, so many times"
    )
    parser.add_argument(
        "--base", type=Path, help="another checkout with the same noise (--dither: 5 if not given)"
    )
    parser.add_argument("--no-vendor", action="store_true", help="leave the vendor's SDK out")


def run(args: argparse.Namespace) -> None:
    """Measure every group ``--repeats`` times and write ``accuracy.json``."""
    record = Run("accuracy", args)
    groups = {
        name: corpus.load(name, args.data, 6 if args.quick else 0)
        for name in args.groups.split(",")
    }
    repeats = 1 if args.quick else args.repeats
    rounds: dict[str, list[Texts]] = {name: [] for name in groups}
    with harness.Server(harness.Setup(), "accuracy") as server:
        for _ in range(repeats):
            for name, clips in groups.items():
                texts = asyncio.run(_service(server.target, name, clips, args.speed))
                if not args.no_vendor:
                    texts |= _vendor(clips)
                rounds[name].append(texts)
    figures = [figure for name in groups for figure in _figures(name, groups[name], rounds[name])]
    if times := args.dither or (args.base and 5):
        figures += _dithered_figures(groups, times, args.base)
    detail = {name: _detail(groups[name], rounds[name]) for name in groups}
    settings = {
        "streaming": f"REALTIME pacing sent at {args.speed:g} x real time, 100 ms chunks, 0.5 s partials",
        "audio": {name: corpus.fingerprint(clips) for name, clips in groups.items()},
        "vendor": None
        if args.no_vendor
        else f"moonshine_voice.Transcriber {vendor.PINNED}, 0.5 s updates, a fresh one per clip",
        "normaliser": "NFKC, lower case, punctuation and hyphens to spaces, apostrophes inside words kept",
    }
    record.write(figures, settings, detail)


async def _service(target: str, group: str, clips: Sequence[Clip], speed: float) -> Texts:
    """One pass of the service's three routes over the clips, one request at a time."""
    realtime = Settings(speed=speed, timeout_s=60)
    file_paced = Settings(pacing=client.FILE, speed=0, partials=False, timeout_s=60)
    texts: Texts = {"unary": [], "streaming": [], "file_paced": []}
    async with client.connect(target) as stub:
        with harness.progress(f"accuracy {group}", len(clips)) as advance:
            for clip in clips:
                texts["unary"].append(await client.recognize(stub, clip.pcm))
                for route, settings in (("streaming", realtime), ("file_paced", file_paced)):
                    session = await client.stream(stub, clip.name, clip.pcm, settings)
                    if session.failed:
                        raise RuntimeError(f"{route} of {clip.name} failed: {session.error}")
                    texts[route].append(session.text)
                advance(clip.name)
    return texts


def _dithered_figures(
    groups: Mapping[str, Sequence[Clip]], times: int, base: Path | None
) -> list[Figure]:
    """WER of each draw; with ``base``, its WER of the same draws too, and how much lower ours is."""
    rates = {name: dict[str, list[float]]() for name in groups}
    builds = {"": harness.Setup()}
    if base:
        builds[" of the base"] = harness.Setup(base=base.resolve())
    for build, setup in builds.items():
        with harness.Server(setup, "accuracy-dithered") as server:
            for name, clips in groups.items():
                title = f"accuracy {name}, dithered{build}"
                rates[name][build] = asyncio.run(_dithered(server.target, title, clips, times))
    figures: list[Figure] = []
    for name, of_builds in rates.items():
        for build, values in of_builds.items():
            figures.append(Figure(f"{name}: WER unary, dithered{build}", "%", values))
        if base:
            pairs = zip(*of_builds.values(), strict=True)
            more = [ours - theirs for ours, theirs in pairs]
            figures.append(Figure(f"{name}: the same, less the base's", "points", more, 0.0))
    return figures


async def _dithered(target: str, title: str, clips: Sequence[Clip], times: int) -> list[float]:
    """WER in percent of each draw of noise. The same draws every time."""
    rates: list[float] = []
    async with client.connect(target) as stub:
        with harness.progress(title, times * len(clips)) as advance:
            for draw in range(times):
                noise, texts = np.random.default_rng(draw), list[str]()
                for clip in clips:
                    texts.append(await client.recognize(stub, dithered(clip.pcm, noise)))
                    advance(clip.name)
                rates.append(100 * _errors(clips, texts).rate)
    return rates


def dithered(pcm: bytes, noise: np.random.Generator) -> bytes:
    """s16 with -1, 0 or 1 added to each sample, clipped."""
    samples = np.frombuffer(pcm, np.int16).astype(np.int32)
    samples += noise.integers(-1, 2, len(samples))
    return samples.clip(-32_768, 32_767).astype(np.int16).tobytes()


def _vendor(clips: Sequence[Clip]) -> Texts:
    console.print("accuracy: the vendor's SDK")
    return {
        f"vendor_{mode}": vendor.run(mode, clips, vendor.Options(fresh=True)).texts
        for mode in ("offline", "stream")
    }


def _figures(group: str, clips: Sequence[Clip], rounds: Sequence[Texts]) -> list[Figure]:
    figures: list[Figure] = []
    for route in rounds[0]:
        rates = [100 * _errors(clips, texts[route]).rate for texts in rounds]
        target = TARGETS.get((group, route))
        figures.append(Figure(f"{group}: WER {route}", "%", rates, target))
    differing = [float(len(_differing(clips, texts))) for texts in rounds]
    name = f"{group}: clips whose streaming finals differ from FILE pacing"
    return [*figures, Figure(name, "clips", differing, 0.0)]


def _errors(clips: Sequence[Clip], texts: Sequence[str]) -> Any:
    return corpus_errors((clip.text, text) for clip, text in zip(clips, texts, strict=True))


def _differing(clips: Sequence[Clip], texts: Texts) -> list[str]:
    pairs = zip(clips, texts["streaming"], texts["file_paced"], strict=True)
    return [clip.name for clip, live, paced in pairs if live != paced]


def _detail(clips: Sequence[Clip], rounds: Sequence[Texts]) -> dict[str, Any]:
    """Counts of each kind of error, what repeats changed, the worst clips. The texts stay out of the results."""
    first, detail = rounds[0], {}
    for route, texts in first.items():
        total = _errors(clips, texts)
        scored = [
            (word_errors(clip.text, text), clip.name)
            for clip, text in zip(clips, texts, strict=True)
        ]
        worst = sorted(scored, key=lambda item: -item[0].errors)[:10]
        detail[route] = {
            "words": total.words,
            "substitutions": total.substitutions,
            "deletions": total.deletions,
            "insertions": total.insertions,
            "empty_clips": [clip.name for clip, text in zip(clips, texts, strict=True) if not text],
            "worst": [f"{name}: {errors.errors} of {errors.words}" for errors, name in worst],
            "same_in_every_repeat": all(other[route] == texts for other in rounds),
        }
    detail["differing_from_file_pacing"] = _differing(clips, first)
    return detail
