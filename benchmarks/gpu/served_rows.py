"""What users see: rows over gRPC loopback, the client's clock, clients on other cores."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from benchmarks.gpu.bench import Bench, figure, only, say
from benchmarks.gpu.load import Found
from benchmarks.gpu.scripting import Script
from benchmarks.gpu.served import loaded, serving
from benchmarks.harness import Server
from benchmarks.stats import Figure, percentile

ASR, TTS = "recognizer/qwen3", "synthesizer/qwen3"
CLIP_S = 10.0
OFFLINE_CLIP_S = 24.0
HELD = 0.9
"""Of a previous partial, in live streams."""
STEP_LIMIT_MS = 100.0
SPEECH_S = 4.0
"""Of each text in rows with arrivals; 8 s in conversations."""
TALK_S = 8.0
RATES_PER_S = (10, 20, 40)
_seeds = count(1)


def first_token(bench: Bench) -> Iterator[Figure]:
    """A 10 s recording, unary, one caller: an answer of a single token, and one of 35."""
    requests = 3 if bench.quick else 100
    for size in bench.sizes:
        for what, script in (("first token", Script(tokens_per_s=0.0)), ("35 tokens", Script())):
            with serving(ASR, bench.served_options(size, 1), script) as server:
                runs = _runs(bench, server, "recognize", requests=requests, clip_s=CLIP_S)
            for percent, target in ((50, 8.0), (99, 15.0)):
                goal = only(size, "1.7b", target) if what == "first token" else None
                name = f"{size} gRPC, 10 s to {what}, c1, p{percent}"
                yield (_of(name, runs, "ms", percent, goal))


def offline(bench: Bench) -> Iterator[Figure]:
    """Recordings of 24 s as fast as they are answered, a closed loop of N callers; throughput beside latency.

    An answer cannot be seen before it is whole, so the latency is that of all of its 84 tokens.
    """
    targets = {"0.6b": 8000.0, "1.7b": 4000.0}
    for size in bench.sizes:
        with serving(ASR, bench.served_options(size, 8 if bench.quick else 256)) as server:
            for callers in (2,) if bench.quick else (1, 32, 128, 256):
                requests = callers * (1 if bench.quick else 6)
                job = {"streams": callers, "requests": requests, "clip_s": OFFLINE_CLIP_S}
                runs = _runs(bench, server, "recognize", **job)
                pace = [len(run["ms"]) * OFFLINE_CLIP_S / max(run["wall_s"]) for run in runs]
                title = f"{size} gRPC, 24 s offline, {callers} callers"
                goal = targets.get(size) if callers == 256 else None
                name = f"{title}, audio seconds per second"
                yield (figure(name, "x", pace, goal, better="higher"))
                yield (_of(f"{title}, whole answer, p95", runs, "ms", 95))


def final(bench: Bench) -> Iterator[Figure]:
    """The last PCM written to the FINAL, live streams of 24 s with 2 s updates."""
    streams = 2 if bench.quick else min(256, bench.streams)
    for size in bench.sizes:
        options = bench.served_options(size, streams, decoding="previous")
        with serving(ASR, options, Script(prefix=HELD)) as server:
            runs = _live(bench, server, streams, 2.0)
        for percent, target in ((50, 20.0), (99, 40.0)):
            name = f"{size} gRPC, end of speech to final, {streams} streams, p{percent}"
            goal = only(size, "1.7b", target)
            yield (_of(name, runs, "final_ms", percent, goal))
        yield from _side(f"{size} gRPC, {streams} streams", runs)


def live_streams(bench: Bench) -> Iterator[Figure]:
    """Most live streams whose updates come within 100 ms (p99) of the audio that they cover, none failed."""
    for size in bench.sizes:
        for interval_s, target in ((2.0, 1000.0), (0.5, 400.0)):
            options = bench.served_options(size, bench.streams, decoding="previous")
            with serving(ASR, options, Script(prefix=HELD)) as server:

                def holds(
                    streams: int, server: Server = server, every_s: float = interval_s
                ) -> bool:
                    run = _live_once(bench, server, streams, every_s)
                    step_ms = percentile(run["partial_ms"], 99)
                    say(f"{streams} streams, {every_s:g} s: p99 of updates {step_ms:.0f} ms")
                    return not run["errors"] and step_ms <= STEP_LIMIT_MS

                _warm_up(server, "recognize")
                held = most(holds, _counts(bench))
            name = f"{size} gRPC, live streams held, {interval_s:g} s updates"
            goal = only(size, "1.7b", target)
            yield (figure(name, "streams", [float(held)], goal, better="higher"))


def first_pcm(bench: Bench) -> Iterator[Figure]:
    """Text to the first audio, one caller."""
    requests = 2 if bench.quick else 50
    for size in bench.sizes:
        with serving(TTS, bench.tts_options(size, 1, SPEECH_S)) as server:
            runs = _runs(bench, server, "speak", requests=requests)
        for percent, target in ((50, 10.0), (95, 15.0)):
            name = f"{size} gRPC, text to first PCM, c1, p{percent}"
            yield (_of(name, runs, "first_ms", percent, only(size, "1.7b", target)))
        yield (_underruns(f"{size} gRPC, c1", runs))


def arrivals(bench: Bench) -> Iterator[Figure]:
    """Texts of 4 s arrive by a Poisson process: first audio, and gaps that a listener hears."""
    for size in bench.sizes:
        with serving(TTS, bench.tts_options(size, min(512, bench.streams), SPEECH_S)) as server:
            for rate in (2,) if bench.quick else RATES_PER_S:
                seconds = 2.0 if bench.quick else bench.seconds
                runs = _runs(bench, server, "arrive", rate_per_s=rate, seconds=seconds)
                title = f"{size} gRPC, {rate} texts/s"
                goal = only(size, "1.7b", 40.0) if rate == RATES_PER_S[-1] else None
                name = f"{title}, text to first PCM, p95"
                yield (_of(name, runs, "first_ms", 95, goal))
                yield (_underruns(title, runs))


def conversations(bench: Bench) -> Iterator[Figure]:
    """Most listeners at once, each hearing text after text, who hear no gap."""
    for size in bench.sizes:
        with serving(TTS, bench.tts_options(size, bench.streams, TALK_S)) as server:

            def holds(streams: int, server: Server = server) -> bool:
                seconds = 2.0 if bench.quick else bench.seconds
                run = loaded(server, _job("converse", streams=streams, seconds=seconds))
                say(f"{streams} listeners: {sum(run['underruns'])} underruns")
                return not run["errors"] and not sum(run["underruns"])

            _warm_up(server, "speak")
            held = most(holds, _counts(bench))
        goal = only(size, "1.7b", 512.0)
        name = f"{size} gRPC, live TTS streams held"
        yield (figure(name, "streams", [float(held)], goal, better="higher"))


def most(holds: Callable[[int], bool], counts: Sequence[int]) -> int:
    """The last count that held before one did not, then what lies between, to a tenth; 0: not even the first."""
    held, failed = 0, None
    for streams in counts:
        if not holds(streams):
            failed = streams
            break
        held = streams
    while failed is not None and held and failed - held > max(1, held // 10):
        middle = (held + failed) // 2
        if holds(middle):
            held = middle
        else:
            failed = middle
    return held


def _counts(bench: Bench) -> Sequence[int]:
    doubled = [16 * 2**step for step in range(12)]
    return (1, 2) if bench.quick else [*(n for n in doubled if n < bench.streams), bench.streams]


def _job(what: str, **fields: object) -> dict[str, object]:
    """With a seed that no other job has."""
    return {"what": what, "seed": next(_seeds), "streams": 1, **fields}


def _warm_up(server: Server, what: str) -> None:
    """Load the model and use it; the first load may take minutes."""
    fields = {"requests": 3, "clip_s": OFFLINE_CLIP_S} if what == "recognize" else {"requests": 3}
    loaded(server, _job(what, **fields))


def _runs(bench: Bench, server: Server, what: str, **fields: object) -> list[Found]:
    _warm_up(server, "recognize" if what == "recognize" else "speak")
    return [_sound(loaded(server, _job(what, **fields))) for _ in range(bench.repeats)]


def _live(bench: Bench, server: Server, streams: int, interval_s: float) -> list[Found]:
    _warm_up(server, "recognize")
    return [_sound(_live_once(bench, server, streams, interval_s)) for _ in range(bench.repeats)]


def _live_once(bench: Bench, server: Server, streams: int, interval_s: float) -> Found:
    seconds = 5.0 if bench.quick else bench.seconds
    job = _job("listen", streams=streams, seconds=seconds, interval_s=interval_s)
    return loaded(server, job)


def _sound(run: Found) -> Found:
    """The run, if nothing failed in it.

    Raises:
        RuntimeError: something did.
    """
    if run["errors"]:
        raise RuntimeError(
            f"{len(run['errors'])} requests failed, the first with {run['errors'][0]}"
        )
    return run


def _of(
    name: str, runs: Sequence[Found], key: str, percent: float, target: float | None = None
) -> Figure:
    return figure(name, "ms", [percentile(run[key], percent) for run in runs], target)


def _side(title: str, runs: Sequence[Found]) -> list[Figure]:
    """What else a reader must know of live streams: updates, and whether the clients kept their schedule."""
    return [
        _of(f"{title}, audio to its update, p99", runs, "partial_ms", 99),
        _of(f"{title}, client behind its schedule, p99", runs, "send_lag_ms", 99),
    ]


def _underruns(title: str, runs: Sequence[Found]) -> Figure:
    values = [float(sum(run["underruns"])) for run in runs]
    return figure(f"{title}, underruns", "pieces", values, 0.0)
