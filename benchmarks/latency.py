"""What one live stream feels like: first partial after speech starts, final after the endpoint and after half-close.

One stream in real time, 100 ms chunks leaving when a microphone would have them complete, so 0-100 ms of every figure
is the chunk itself. When speech starts and ends is known from the manifest's word times (machine alignments: +-50 ms,
more in places; the manifest says where). Each clip is played twice: once followed by 1.5 s of room tone, where the
server's endpointer must end it (endpoint = true end of speech + end_silence, 0.6 s), and once cut 100 ms after the last
word and half-closed there, where the final must still be decoded. A final that comes before the endpoint counts as
negative. No vendor figure: the SDK reports no comparable times.

Also: partial revisions per final, how often a later text breaks a prefix that was called stable (must never happen
between partials; a FINAL may differ, being a fresh decode), and how old a partial's newest audio is when it comes.

Targets: first partial <= 700 ms after speech starts; final <= 250 ms p50 after the endpoint and after half-close.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import client, corpus, harness
from benchmarks.client import END_SILENCE_S, FINAL, Seen, Session, Settings
from benchmarks.corpus import BYTES_PER_S, Clip, DataMissingError
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile, percentiles

ROOM_TONE_S = 1.5
TAIL_S = 0.1
"""Audio kept after the last word where the client half-closes."""
FIRST_PARTIAL_MS = 700.0
FINAL_MS = 250.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--group", default="en-read", help="manifest group")
    parser.add_argument("--clips", type=int, default=24, help="clips with word times; 0: all")


@dataclass(slots=True)
class Pass:
    """One repeat: milliseconds, one value per clip (or per partial)."""

    first_partial: list[float] = field(default_factory=list[float])
    after_endpoint: list[float] = field(default_factory=list[float])
    after_half_close: list[float] = field(default_factory=list[float])
    partial_age: list[float] = field(default_factory=list[float])
    send_lag: list[float] = field(default_factory=list[float])
    revisions: list[float] = field(default_factory=list[float])
    """Partials per FINAL."""
    broken_by_partials: int = 0
    broken_by_finals: int = 0
    checked: int = 0
    """Results that had a stable prefix before them."""
    missing: list[str] = field(default_factory=list[str])
    """Sessions without the event that was waited for."""


def run(args: argparse.Namespace) -> None:
    """Measure and write ``latency.json``."""
    record = Run("latency", args)
    clips = _with_times(corpus.load(args.group, args.data), 2 if args.quick else args.clips)
    repeats = 1 if args.quick else args.repeats
    passes: list[Pass] = []
    with harness.Server(harness.Setup(), "latency") as server:
        asyncio.run(_warm_up(server.target, clips[0]))
        for number in range(repeats):
            passes.append(asyncio.run(_pass(server.target, clips, f"{number + 1}/{repeats}")))
    settings = {
        "pacing": "one stream, real time, 100 ms chunks, 0.5 s partials, end_silence 0.6 s",
        "audio": corpus.fingerprint(clips),
        "word_times": sorted({clip.words_source for clip in clips}),
        "clock": "client; from the scheduled moment of the audio, chunking included",
    }
    detail = {"passes": [_summary(item) for item in passes]}
    record.write(_figures(passes), settings, detail)


def _with_times(clips: Sequence[Clip], limit: int) -> list[Clip]:
    """Clips whose word times cover every word of their text, spread over the group."""
    timed = [clip for clip in clips if clip.words and len(clip.words) >= len(clip.text.split()) - 1]
    if not timed:
        raise DataMissingError("no recording of the group has word times")
    step = max(1, len(timed) // limit) if limit else 1
    return timed[::step][: limit or None]


async def _warm_up(target: str, clip: Clip) -> None:
    """Starts the worker; a cold start is not what this measures."""
    async with client.connect(target) as stub:
        await client.stream(stub, "warm-up", clip.pcm, Settings(speed=4, timeout_s=60))


async def _pass(target: str, clips: Sequence[Clip], title: str) -> Pass:
    result, settings = Pass(), Settings(timeout_s=15)
    async with client.connect(target) as stub:
        with harness.progress(f"latency {title}", len(clips)) as advance:
            for clip in clips:
                pcm = clip.pcm + corpus.silence(ROOM_TONE_S)
                _endpoint(result, clip, await client.stream(stub, clip.name, pcm, settings))
                pcm = clip.pcm[: int((clip.words[-1][2] + TAIL_S) * BYTES_PER_S) // 2 * 2]
                _half_close(result, clip, await client.stream(stub, clip.name, pcm, settings))
                advance(clip.name)
    return result


def _endpoint(result: Pass, clip: Clip, session: Session) -> None:
    """Takes what the session with room tone behind it shows."""
    _any_session(result, clip, session)
    starts = session.spoken_at(clip.words[0][1])
    partial = next((seen for seen in session.partials if seen.text), None)
    if partial is None:
        result.missing.append(f"{clip.name}: no partial")
    else:
        result.first_partial.append((partial.at - starts) * 1000)
    if session.finals:
        endpoint = session.spoken_at(clip.words[-1][2] + END_SILENCE_S)
        result.after_endpoint.append((session.finals[-1].at - endpoint) * 1000)


def _half_close(result: Pass, clip: Clip, session: Session) -> None:
    """Takes what the session without trailing silence shows."""
    _any_session(result, clip, session)
    delay = session.final_after_last_audio()
    if delay is not None:
        result.after_half_close.append(delay * 1000)


def _any_session(result: Pass, clip: Clip, session: Session) -> None:
    if session.failed or not session.finals:
        result.missing.append(f"{clip.name}: {session.error or 'no final'}")
    result.send_lag += [lag * 1000 for lag in session.send_lags]
    for seen in session.partials:
        result.partial_age.append((seen.at - session.spoken_at(seen.end_ms / 1000)) * 1000)
    for final in session.finals:
        versions = [seen for seen in session.results if seen.segment == final.segment]
        result.revisions.append(float(len(versions) - 1))
        _stability(result, versions)


def _stability(result: Pass, versions: Sequence[Seen]) -> None:
    """Counts the versions of one segment that break the longest prefix called stable before them."""
    stable = ""
    for seen in versions:
        if stable:
            result.checked += 1
            if not seen.text.startswith(stable):
                result.broken_by_finals += seen.kind == FINAL
                result.broken_by_partials += seen.kind != FINAL
        stable = max(stable, seen.text[: seen.stable], key=len)


def _figures(passes: Sequence[Pass]) -> list[Figure]:
    def spread(
        name: str, pick: Callable[[Pass], Iterable[float]], target: float | None
    ) -> list[Figure]:
        values = {p: [percentile(pick(item), p) for item in passes] for p in (50, 95)}
        return [
            Figure(f"{name}, p50", "ms", values[50], target),
            Figure(f"{name}, p95", "ms", values[95]),
        ]

    finals = [float(len(item.revisions)) for item in passes]
    broken = [float(item.broken_by_partials) for item in passes]
    by_finals = [
        100 * item.broken_by_finals / count if count else 0.0
        for item, count in zip(passes, finals, strict=True)
    ]
    revisions = [sum(item.revisions) / max(1, len(item.revisions)) for item in passes]
    return [
        *spread("speech start to first partial", lambda item: item.first_partial, FIRST_PARTIAL_MS),
        *spread("endpoint to final", lambda item: item.after_endpoint, FINAL_MS),
        *spread("half-close to final", lambda item: item.after_half_close, FINAL_MS),
        *spread("age of a partial's newest audio", lambda item: item.partial_age, None),
        Figure("stable prefixes broken by partials", "results", broken, 0.0),
        Figure("finals that break a stable prefix", "% of finals", by_finals),
        Figure("partial revisions per final", "partials", revisions),
        Figure(
            "sessions without partial or final",
            "sessions",
            [float(len(p.missing)) for p in passes],
            0.0,
        ),
        Figure(
            "client lateness in sending, p95", "ms", [percentile(p.send_lag, 95) for p in passes]
        ),
    ]


def _summary(item: Pass) -> dict[str, Any]:
    """A pass with percentiles in the place of its lists."""
    lists = ("first_partial", "after_endpoint", "after_half_close", "partial_age", "send_lag")
    summary: dict[str, Any] = {f"{name}_ms": percentiles(getattr(item, name)) for name in lists}
    summary |= {"finals": len(item.revisions), "missing": item.missing, "checked": item.checked}
    return summary
