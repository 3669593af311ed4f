"""The goals for an H200, each beside what the simulation makes of it."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.simulate.callers import Listener, Played, clip, recognize
from benchmarks.simulate.cost_model import (
    ALIGNER_0_6B,
    ASR_0_6B,
    ASR_1_7B,
    GRPC_S,
    LABEL,
    TTS_1_7B,
    RecognizerCost,
)
from benchmarks.simulate.engines import (
    TOKENS_PER_S,
    Drafting,
    SimulatedAligner,
    SimulatedRecognizer,
    SimulatedSynthesizer,
    answer_of,
)
from benchmarks.simulate.fleet import Fleet
from benchmarks.simulate.loads import Load, simulate
from benchmarks.simulate.virtual_time import run_virtual
from benchmarks.stats import Figure, percentile
from speech_service.domain.work import AlignWork, SegmentKey, WorkClass, WorkEvent

FIRST_TOKEN_LIMIT_S = 0.25
"""Of the offline goal: p95 of the first token."""
STEP_LIMIT_S = 0.1
"""Of live streams: p99 of an update."""
MOST_SUPERSEDED = 0.02
"""Of work, where live streams count as held."""
NOT_SIMULATED = {
    "gRPC cost per chunk": "front end; python -m benchmarks grpc_overhead",
    "CPU 0.6B INT8, RTF": "no GPU; python -m benchmarks qwen_asr_cpu",
    "0.6B recognizer's memory": "no time in it; python -m benchmarks.gpu --rows memory",
    "front end's memory when idle": "no GPU; python -m benchmarks memory",
    "cache hit, 20 s": "no device; python -m benchmarks synthesis_cache",
    "0 mismatches of speculation": "tests of exactness, in float32",
}
"""Goals that a cost model says nothing of, and where they are measured."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long loads are carried: a smoke test, or what is quoted."""

    seconds: float
    streams: float
    """Share of the streams that a goal asks for."""
    offline: Sequence[int]
    """Clips at once."""


FULL = Pace(8.0, 1.0, (16, 32, 64, 128, 256))
QUICK = Pace(1.0, 0.2, (16, 64))


def rows(pace: Pace) -> Iterator[Figure]:
    """All that can be simulated, in the order of the goals."""
    for part in (
        _first_token,
        _finals,
        _updates,
        _offline,
        _live,
        _first_audio,
        _listeners,
        _frame,
        _speculation,
        _align,
        _host_share,
        _together,
    ):
        yield from part(pace)


def _figure(name: str, unit: str, value: float, target: float | None = None, **more: Any) -> Figure:
    return Figure(f"{name} ({LABEL})", unit, [value], target, **more)


def _ms(values: Sequence[float], percent: float) -> float:
    return percentile(values, percent) * 1000


def _first_token(pace: Pace) -> Iterator[Figure]:
    del pace

    async def main() -> float:
        fleet = Fleet(lambda device: [SimulatedRecognizer(ASR_1_7B, device, tokens_per_s=0.0)])
        await recognize(fleet, ASR_1_7B.name, 10.0)
        return fleet.now_s + 2 * GRPC_S

    first_ms = run_virtual(main()) * 1000
    note = "an answer of one token; nothing varies, so p99 is p50"
    yield _figure("first token of 10 s, 1.7B, alone", "ms", first_ms, 8.0, note=note)


def _finals(pace: Pace) -> Iterator[Figure]:
    load = Load(_part(256, pace), seconds=pace.seconds, interval_ms=2000)
    lags = simulate(load).heard.final_lags
    name = f"end of speech to FINAL, {load.live} streams"
    yield _figure(f"{name}, p50", "ms", _ms(lags, 50), 20.0)
    yield _figure(f"{name}, p99", "ms", _ms(lags, 99), 40.0)


def _updates(pace: Pace) -> Iterator[Figure]:
    alone = simulate(Load(1, seconds=10.0, interval_ms=2000)).heard.update_lags
    yield _figure("update of 2 s, 1.7B, 1 stream, p50", "ms", _ms(alone, 50), 15.0)
    load = Load(_part(512, pace), seconds=pace.seconds, interval_ms=2000, chunk_ms=192)
    came = simulate(load)
    name = f"update of 2 s, {load.live} streams, p99"
    note = f"{came.dropped_share:.1%} of the work superseded"
    yield _figure(name, "ms", _ms(came.heard.update_lags, 99), 60.0, note=note)


@dataclass(frozen=True, slots=True)
class _Offline:
    """So many clients with one clip after the other."""

    times: float
    """Of real time."""
    first_s: float
    """p95 of the first token."""
    busy: float
    """Share of the time of steps in which the device computed."""


def _offline(pace: Pace) -> Iterator[Figure]:
    for cost, goal in ((ASR_0_6B, 8000.0), (ASR_1_7B, 4000.0)):
        tried = [(_offline_at(cost, clips), clips) for clips in pace.offline]
        in_time = [each for each in tried if each[0].first_s < FIRST_TOKEN_LIMIT_S]
        came, clips = max(in_time or tried[:1], key=lambda each: each[0].times)
        name = f"offline, {cost.name}, {clips} clips of 30 s at once"
        note = f"p95 of the first token {came.first_s * 1000:.0f} ms, asked for: 250"
        yield _figure(name, "x realtime", came.times, goal, better="higher", note=note)


def _offline_at(cost: RecognizerCost, clips: int) -> _Offline:
    firsts: list[float] = []
    each = 3

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        engines: list[SimulatedRecognizer] = []

        def make(device: Any) -> list[SimulatedRecognizer]:
            engines.append(SimulatedRecognizer(cost, device, clips))
            return engines

        fleet = Fleet(make)
        asked_s: dict[str, float] = {}
        engines[0].on_first_token = lambda work_id, step_s: firsts.append(
            loop.time() + step_s + 2 * GRPC_S - asked_s[work_id]
        )

        async def client(number: int) -> None:
            await asyncio.sleep(number * 0.002)
            for _ in range(each):
                asked_s[fleet.next_id] = loop.time()
                await recognize(fleet, cost.name, 30.0, WorkClass.UNARY)

        await asyncio.gather(*(client(number) for number in range(clips)))
        return fleet.now_s, fleet.busy_s / fleet.held_s

    lasted_s, busy = run_virtual(main())
    return _Offline(clips * each * 30.0 / lasted_s, percentile(firsts, 95), busy)


def _live(pace: Pace) -> Iterator[Figure]:
    for interval_ms, goal in ((2000, 1000), (500, 400)):
        held, p99_ms, note = 0, 0.0, "the goal's number is not held"
        for share in (0.75, 1.0, 1.5):
            load = Load(
                _part(goal * share, pace),
                seconds=pace.seconds / 4,
                interval_ms=interval_ms,
                chunk_ms=480,
            )
            came = simulate(load)
            lag_s = percentile(came.heard.update_lags, 99)
            if lag_s > STEP_LIMIT_S or came.dropped_share > MOST_SUPERSEDED:
                break
            held, p99_ms = load.live, lag_s * 1000
            note = (
                f"p99 of an update {p99_ms:.0f} ms, device {came.held_s / came.lasted_s:.0%} taken"
            )
        name = (
            f"live streams with updates of {interval_ms / 1000:g} s, of 0.75, 1 and 1.5 x the goal"
        )
        asked = goal * pace.streams
        yield _figure(name, "streams", held, asked, better="higher", note=note)


def _first_audio(pace: Pace) -> Iterator[Figure]:
    alone = Played()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        fleet = Fleet(lambda device: [SimulatedSynthesizer(TTS_1_7B, device, loop.time)])
        for seed in range(5):
            await Listener(fleet, alone, seed, TTS_1_7B.name, sentences=1).hear()

    run_virtual(main())
    yield _figure("first audio, 1.7B, alone, p50", "ms", _ms(alone.first_audio, 50), 10.0)
    yield _figure("first audio, 1.7B, alone, p95", "ms", _ms(alone.first_audio, 95), 15.0)
    came = _arrivals(40.0, pace.seconds)
    yield _figure("first audio at 40 requests/s, p95", "ms", _ms(came.first_audio, 95), 40.0)
    note = "Poisson, one sentence each"
    yield _figure("underruns of these", "underruns", came.underruns, 0.0, note=note)


def _arrivals(per_s: float, seconds: float) -> Played:
    played = Played()

    async def main() -> None:
        loop, draws = asyncio.get_running_loop(), random.Random(7)
        fleet = Fleet(lambda device: [SimulatedSynthesizer(TTS_1_7B, device, loop.time, 256)])
        calls: list[asyncio.Task[float]] = []
        while fleet.now_s < seconds:
            listener = Listener(fleet, played, len(calls), TTS_1_7B.name, sentences=1)
            calls.append(asyncio.create_task(listener.hear()))
            await asyncio.sleep(draws.expovariate(per_s))
        await asyncio.gather(*calls)

    run_virtual(main())
    return played


def _listeners(pace: Pace) -> Iterator[Figure]:
    for goal, what in ((512, "goal"), (1000, "stretch")):
        load = Load(0, _part(goal, pace), seconds=pace.seconds, spread_s=4.0)
        came = simulate(load)
        note = f"{what}; {came.played.texts} texts, device {came.held_s / came.lasted_s:.0%} taken"
        name = f"underruns of {load.listeners} listeners in real time"
        yield _figure(name, "underruns", came.played.underruns, 0.0, note=note)


def _frame(pace: Pace) -> Iterator[Figure]:
    del pace
    frame_s = max(TTS_1_7B.frame_s(1), TTS_1_7B.step_host_s(1))
    yield _figure("frame of the synthesizer, 1 stream", "ms", frame_s * 1000, 2.5)


def _speculation(pace: Pace) -> Iterator[Figure]:
    del pace
    seconds, tokens = 10.0, answer_of(10.0, TOKENS_PER_S)
    greedy = _decode(seconds, ())
    for holds in (0.8, 0.9, 0.95, 0.98):
        drafted = _decode(seconds, (), Drafting(ASR_0_6B, holds=holds))
        name = f"greedy / with a draft of 4 tokens that hold with {holds}, 10 s clip alone"
        goal = 1.7 if holds == 0.95 else None
        yield _figure(name, "x time", greedy[0] / drafted[0], goal, better="higher")
    previous = _decode(seconds, answer_of(seconds - 0.5, TOKENS_PER_S))
    name = f"passes of a FINAL of {len(tokens)} tokens, greedy / with the previous partial"
    yield _figure(name, "x passes", greedy[1] / previous[1], 3.0, better="higher")


def _decode(
    seconds: float, draft: tuple[int, ...], drafting: Drafting | None = None
) -> tuple[float, int]:
    """Time and passes of one clip."""

    async def main() -> tuple[float, int]:
        engines: list[SimulatedRecognizer] = []

        def make(device: Any) -> list[SimulatedRecognizer]:
            engines.append(SimulatedRecognizer(ASR_1_7B, device, drafting=drafting))
            return engines

        fleet = Fleet(make)
        await recognize(fleet, ASR_1_7B.name, seconds, draft_tokens=draft)
        return fleet.now_s, engines[0].passes

    return run_virtual(main())


def _align(pace: Pace) -> Iterator[Figure]:
    del pace

    async def main() -> float:
        fleet = Fleet(lambda device: [SimulatedAligner(ALIGNER_0_6B, device)])
        ended: asyncio.Future[WorkEvent] = asyncio.get_running_loop().create_future()
        work = AlignWork(
            work_id="align",
            stream_id="align",
            work_class=WorkClass.UNARY,
            model=ALIGNER_0_6B.name,
            segment=SegmentKey("align", 0, 1),
            samples=clip(60.0),
            text=" ".join(["word"] * 180),
        )
        fleet.router.submit(work, ended.set_result)
        await ended
        return fleet.now_s + 2 * GRPC_S

    yield _figure("align 60 s, 180 words", "ms", run_virtual(main()) * 1000, 15.0)


def _host_share(pace: Pace) -> Iterator[Figure]:
    del pace
    for name, busy in (
        ("recognizer, 64 clips of 30 s at once", _offline_at(ASR_1_7B, 64).busy),
        ("synthesizer, 64 texts at once", _speaking_at(64)),
    ):
        yield _figure(f"GPU busy, {name}", "%", 100 * busy, 85.0, better="higher")


def _speaking_at(texts: int) -> float:
    """Share of the time of steps in which the device computed, with so many clients with one text after the other."""

    async def main() -> float:
        clock = asyncio.get_running_loop().time
        fleet = Fleet(lambda device: [SimulatedSynthesizer(TTS_1_7B, device, clock, 2 * texts)])

        async def client(number: int) -> None:
            listener = Listener(fleet, Played(), number, TTS_1_7B.name)
            await asyncio.sleep(number * 0.002)
            for _ in range(3):
                await listener.hear()

        await asyncio.gather(*(client(number) for number in range(texts)))
        return fleet.busy_s / fleet.held_s

    return run_virtual(main())


def _together(pace: Pace) -> Iterator[Figure]:
    live, listeners = _part(200, pace), _part(40, pace)
    alone = Load(live, seconds=pace.seconds, with_word_times=True)
    beside = simulate(replace(alone, listeners=listeners))
    ratio = _ms(beside.heard.final_lags, 99) / _ms(simulate(alone).heard.final_lags, 99)
    name = f"{live} live streams and {listeners} listeners on one GPU"
    yield _figure(f"{name}: underruns", "underruns", beside.played.underruns, 0.0)
    yield _figure(f"{name}: p99 lag of FINALs / alone", "x", ratio, 1.5)
    for what, values in (
        ("FINALs", beside.heard.final_lags),
        ("updates of 0.5 s", beside.heard.update_lags),
        ("first audio", beside.played.first_audio),
    ):
        yield _figure(f"{name}: p99 of {what}", "ms", _ms(values, 99))


def _part(count: float, pace: Pace) -> int:
    return max(1, round(count * pace.streams))
