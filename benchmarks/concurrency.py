"""How many live streams two cores hold: N at once, in real time, and the most that keep up; the vendor's SDK likewise.

Each of N slots plays recordings one after another in real time, a session for each, and the next session starts on
schedule whether or not the one before has its final (open loop). Slots start spread over 5 s, play different clips and
have a connection each. The client runs on the same cores. The figure is the time from a session's last audio (by
schedule, not by a late write) to its last FINAL. Clips end 0-500 ms after their speech and are half-closed there, so
few finals are endpointed ahead. Held = p95 <= 500 ms, no session failed, none without its final.

The SDK gets the same slots, clips and criterion in a process of its own with one thread per stream and, as calls on one
Transcriber wait for each other, one Transcriber per core; its final is the return of ``stop()``, which often does not
decode again. It needs no client. Both searches climb until two steps in a row fail.
Targets: p95 <= 500 ms at 40 streams, none dropped; 4 times the SDK's.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks import client, corpus, harness, vendor
from benchmarks.client import Session, Settings
from benchmarks.corpus import Clip
from benchmarks.results import Run, console
from benchmarks.stats import Figure, percentile, percentiles

LIMIT_MS = 500.0
STAGGER_S = 5.0
SWEEP = "10,20,30,40,50,60,70,80"
VENDOR_SWEEP = "1,2,3,4,5,6,8,10,12,14,16,20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--streams", type=int, default=40, help="streams of the headline figure")
    parser.add_argument("--seconds", type=float, default=30.0, help="audio that each slot plays")
    parser.add_argument("--sweep", default=SWEEP, help="stream counts of the search; empty: none")
    parser.add_argument(
        "--vendor-sweep", default=VENDOR_SWEEP, help="the SDK's; empty: leave it out"
    )
    parser.add_argument(
        "--vendor-transcribers", type=int, default=os.cpu_count() or 1, help="default: one per core"
    )
    parser.add_argument("--group", default="en-read", help="manifest group")


@dataclass(slots=True)
class Load:
    """What N streams saw. Times in milliseconds."""

    streams: int
    final: list[float] = field(default_factory=list[float])
    first_partial: list[float] = field(default_factory=list[float])
    """From the start of speech, where the manifest has it."""
    partial_age: list[float] = field(default_factory=list[float])
    send_lag: list[float] = field(default_factory=list[float])
    sessions: int = 0
    dropped: list[str] = field(default_factory=list[str])
    audio_s: float = 0.0
    partials: int = 0
    cpu: dict[str, float] = field(default_factory=dict[str, float])
    """Cores in use, by who uses them."""
    work: dict[str, float] = field(default_factory=dict[str, float])
    """Work items of the server: partials that were superseded show here."""

    @property
    def held(self) -> bool:
        """Whether the streams kept up."""
        return not self.dropped and percentile(self.final, 95) <= LIMIT_MS

    def summary(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "streams": self.streams,
            "held": self.held,
            "sessions": self.sessions,
            "dropped": self.dropped,
            "last_audio_to_final_ms": percentiles(self.final),
            "first_partial_ms": percentiles(self.first_partial),
            "partial_age_ms": percentiles(self.partial_age),
            "client_send_lag_ms": percentiles(self.send_lag),
            "partials_per_audio_s": self.partials / self.audio_s if self.audio_s else 0.0,
            "cores": self.cpu,
            "work": self.work,
        }


def run(args: argparse.Namespace) -> None:
    """Measure and write ``concurrency.json``."""
    record = Run("concurrency", args)
    clips = corpus.load_or_bundled(args.group, args.data)
    quick = bool(args.quick)
    seconds, streams = (6.0, 4) if quick else (args.seconds, args.streams)
    repeats = 1 if quick else args.repeats
    sweep = [4] if quick else _counts(args.sweep)
    rivals = [1, 2] if quick else _counts(args.vendor_sweep)
    with harness.Server(harness.Setup(harness.UNBOUNDED), "concurrency") as server:
        asyncio.run(_measure(server, clips, 2, 4.0, "warm-up"))
        headline = [
            asyncio.run(_measure(server, clips, streams, seconds, f"{number + 1}/{repeats}"))
            for number in range(repeats)
        ]
        ours = _climb(sweep, lambda n: asyncio.run(_measure(server, clips, n, seconds, "search")))
    transcribers = args.vendor_transcribers
    theirs = _climb(rivals, lambda n: _vendor(clips, n, seconds, transcribers))
    settings = {
        "streams": streams,
        "pacing": f"open loop, real time, 100 ms chunks, 0.5 s partials, {seconds:g} s of audio per stream",
        "criterion": f"p95 of last audio to final <= {LIMIT_MS:g} ms, none dropped; client on the same cores",
        "audio": corpus.fingerprint(clips),
        "group": clips[0].group,
        "vendor": f"moonshine_voice.Transcriber {vendor.PINNED}, one process, a thread per stream, "
        f"{transcribers} Transcribers, return_audio_data=false",
    }
    detail = {
        "headline": [load.summary() for load in headline],
        "search": [load.summary() for load in ours],
        "vendor_search": [load.summary() for load in theirs],
    }
    record.write(_figures(headline, ours, theirs), settings, detail)


def playlists(clips: Sequence[Clip], streams: int, seconds: float) -> list[list[int]]:
    """For each stream the clips that it plays, about ``seconds`` of audio; neighbours start at different clips."""
    lists: list[list[int]] = []
    for stream in range(streams):
        at, total, chosen = stream * 37 % len(clips), 0.0, list[int]()
        while total < seconds:
            chosen.append(at)
            total += clips[at].duration_s
            at = (at + 1) % len(clips)
        lists.append(chosen)
    return lists


def _counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part.strip()]


def _climb(counts: Sequence[int], measure: Callable[[int], Load]) -> list[Load]:
    """Measures rising counts until two in a row are not held."""
    loads: list[Load] = []
    for count in counts:
        loads.append(measure(count))
        load = loads[-1]
        p95 = percentile(load.final, 95)
        console.print(
            f"{count} streams: p95 {p95:.0f} ms, {len(load.dropped)} dropped, held: {load.held}"
        )
        if len(loads) > 1 and not loads[-1].held and not loads[-2].held:
            break
    return loads


def most_held(loads: Sequence[Load]) -> int:
    """The largest count up to which every step of the search was held; 0: not even the first."""
    held = 0
    for load in loads:
        if not load.held:
            break
        held = load.streams
    return held


async def _measure(
    server: harness.Server, clips: Sequence[Clip], streams: int, seconds: float, title: str
) -> Load:
    """N slots against the server. CPU is taken over the whole run, ramp included."""
    load, settings = Load(streams), Settings(timeout_s=10)
    plan = playlists(clips, streams, seconds)
    epoch = time.perf_counter() + 0.5
    metrics, before = server.metrics(), server.cpu()
    own, wall = time.process_time(), time.perf_counter()
    async with client.connect_many(server.target, streams) as stubs:
        with harness.progress(
            f"concurrency {streams} streams {title}", sum(map(len, plan))
        ) as advance:

            async def hold(stub: client.Stub, index: int, start: float) -> None:
                clip = clips[index]
                session = await client.stream(stub, clip.name, clip.pcm, settings, start)
                _take(load, session, clip)
                advance("")

            async with asyncio.TaskGroup() as group:
                for number, playlist in enumerate(plan):
                    start = epoch + STAGGER_S * number / streams
                    for index in playlist:
                        group.create_task(hold(stubs[number], index, start))
                        start += clips[index].duration_s
    wall = time.perf_counter() - wall
    used = server.cpu() - before
    load.work = harness.metric_delta(metrics, server.metrics(), "speech_work")
    load.cpu = {
        "front_end": used.root_s / wall,
        "worker": (used.total_s - used.root_s) / wall,
        "client": (time.process_time() - own) / wall,
    }
    return load


def _take(load: Load, session: Session, clip: Clip) -> None:
    load.sessions += 1
    load.audio_s += session.duration_s
    load.partials += len(session.partials)
    load.send_lag += [lag * 1000 for lag in session.send_lags]
    load.partial_age += [
        (seen.at - session.spoken_at(seen.end_ms / 1000)) * 1000 for seen in session.partials
    ]
    delay = session.final_after_last_audio()
    if session.failed or delay is None:
        load.dropped.append(f"{session.name}: {session.error or 'no final'}")
    else:
        load.final.append(delay * 1000)
    first = next((seen.at for seen in session.partials if seen.text), None)
    if first is not None and clip.words:
        load.first_partial.append((first - session.spoken_at(clip.words[0][1])) * 1000)


def _vendor(clips: Sequence[Clip], streams: int, seconds: float, transcribers: int) -> Load:
    options = vendor.Options(
        lean=True,
        transcribers=transcribers,
        slots=playlists(clips, streams, seconds),
        stagger_s=STAGGER_S,
    )
    console.print(f"concurrency: the vendor's SDK, {streams} streams")
    report = vendor.run("concurrent", clips, options)
    return Load(
        streams=streams,
        final=[lag * 1000 for lag in report.final_lags],
        send_lag=[lag * 1000 for lag in report.chunk_lags],
        sessions=len(report.final_lags),
        dropped=report.errors,
        audio_s=report.audio_s,
        cpu={"process": report.cpu_s / report.wall_s},
    )


def _figures(
    headline: Sequence[Load], ours: Sequence[Load], theirs: Sequence[Load]
) -> list[Figure]:
    n = headline[0].streams
    finals = {p: [percentile(load.final, p) for load in headline] for p in (50, 95, 99)}
    partial = {p: [percentile(load.first_partial, p) for load in headline] for p in (50, 95)}
    rate = [load.partials / load.audio_s for load in headline]
    figures = [
        Figure(f"{n} streams: last audio to final, p50", "ms", finals[50]),
        Figure(f"{n} streams: last audio to final, p95", "ms", finals[95], LIMIT_MS),
        Figure(f"{n} streams: last audio to final, p99", "ms", finals[99]),
        Figure(
            f"{n} streams: sessions dropped",
            "sessions",
            [float(len(x.dropped)) for x in headline],
            0.0,
        ),
        Figure(f"{n} streams: first partial, p50", "ms", partial[50]),
        Figure(f"{n} streams: first partial, p95", "ms", partial[95]),
        Figure(f"{n} streams: partials per stream", "per audio s", rate, better="higher"),
        Figure(
            f"{n} streams: partial updates dropped",
            "%",
            [harness.dropped_partials(load.work) for load in headline],
        ),
        Figure(f"{n} streams: front end", "cores", [x.cpu["front_end"] for x in headline]),
        Figure(f"{n} streams: worker", "cores", [x.cpu["worker"] for x in headline]),
        Figure(f"{n} streams: client", "cores", [x.cpu["client"] for x in headline]),
        Figure(
            f"{n} streams: client late in sending, p95",
            "ms",
            [percentile(x.send_lag, 95) for x in headline],
        ),
    ]
    if ours:
        figures.append(Figure("most streams held", "streams", [most_held(ours)], better="higher"))
    if theirs:
        figures.append(
            Figure("most streams held, vendor", "streams", [most_held(theirs)], better="higher")
        )
    if ours and theirs and most_held(theirs):
        ratio = most_held(ours) / most_held(theirs)
        note = f"p95 of the headline: {median(finals[95]):.0f} ms; one search each"
        figures.append(
            Figure("most streams held, service / vendor", "x", [ratio], 4.0, "higher", note)
        )
    return figures
