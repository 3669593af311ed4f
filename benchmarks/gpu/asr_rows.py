"""Recognition and alignment, on engines in this process."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from benchmarks.gpu.bench import Bench, drained, figure, only
from benchmarks.gpu.device import busy_share, timed_ms, used_bytes
from benchmarks.gpu.scripting import TOKENS_PER_S, Script
from benchmarks.stats import Figure, percentile
from benchmarks.synthesis_texts import SENTENCES
from speech_service.domain.work import (
    AlignWork,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
)
from speech_service.protocols import Engine
from tests.qwen_tiny.audio import speech_like

RATE_HZ = 16_000
CLIP_S = 10.0
UPDATE_S = 2.0
SEGMENT_S = 20.0
"""Audio of a segment when its 2 s update is measured."""
ACCEPTANCES = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)
GOALS = {("dual model", "time", 0.9): 1.7, ("previous partial", "target steps", 0.9): 3.0}
ALIGNED_S = 60.0
WORDS_PER_S = 3
BATCHES = (1, 16, 64)
_seeds = count(1000)


def _audio(seconds: float) -> np.ndarray:
    """Audio that nobody has heard: caches have nothing of it."""
    return speech_like(next(_seeds), seconds)


def _work(
    name: str,
    samples: np.ndarray,
    kind: RecognizeKind = RecognizeKind.FINAL,
    draft: tuple[int, ...] = (),
) -> RecognizeWork:
    key = SegmentKey(name, 0, 0)
    return RecognizeWork(
        name, key, kind, WorkClass.UNARY, samples, "qwen3", language="en", draft_tokens=draft
    )


def _nothing(_: WorkEvent) -> None:
    pass


def _ms(engine: Engine, works: Sequence[RecognizeWork]) -> float:
    return 1000 * drained(engine, works, _nothing)


def first_token(bench: Bench) -> list[Figure]:
    """10 s of audio to the first token: mel, encoder, prefill, one decode step, no gRPC."""
    bench.director.script = Script(tokens_per_s=0.0)
    passes = 3 if bench.quick else 30
    figures: list[Figure] = []
    for size in bench.sizes:
        with bench.asr(size, 1) as engine:
            _ms(engine, [_work("warm-up", _audio(CLIP_S))])
            runs = [
                [_ms(engine, [_work("one", _audio(CLIP_S))]) for _ in range(passes)]
                for _ in range(bench.repeats)
            ]
        for percent in (50, 99):
            values = [percentile(run, percent) for run in runs]
            figures.append(figure(f"{size} engine, 10 s to first token, p{percent}", "ms", values))
    return figures


def decode_step(bench: Bench) -> list[Figure]:
    """One greedy decode step of a batch behind 10 s of audio, wall and GPU time, and how much of the bandwidth."""
    bench.director.script = Script()
    figures: list[Figure] = []
    for size in bench.sizes:
        weights_gb = _decoder_bytes(bench, size) / 1e9
        for batch in BATCHES[:1] if bench.quick else BATCHES:
            walls: list[float] = []
            spans: list[float] = []
            with bench.asr(size, batch) as engine:
                for _ in range(bench.repeats + 1):
                    for number in range(batch):
                        engine.admit(_work(f"{number}", _audio(CLIP_S)))
                    for _ in range(8):  # all are read and decode
                        engine.step()
                    wall, span = timed_ms(bench.device, engine.step, 10)
                    walls.append(wall)
                    spans.append(span)
                    for number in range(batch):
                        engine.abort(f"{number}")
            title = f"{size} decode step, batch {batch}"
            figures.append(figure(f"{title}, wall", "ms", walls[1:]))
            figures.append(figure(f"{title}, GPU", "ms", spans[1:]))
            share = [100 * weights_gb / (wall / 1000) / bench.rates.copy_gb_s for wall in walls[1:]]
            name = f"{title}, weights read, share of the copy rate"
            figures.append(figure(name, "%", share, better="higher"))
    return figures


def _decoder_bytes(bench: Bench, size: str) -> float:
    """Weights that a decode step reads: layers and head."""
    from speech_service.engines.qwen3.asr_config import MODEL_TYPE, read_asr_config
    from speech_service.engines.qwen3.checkpoint.reading import open_checkpoint

    shape = read_asr_config(open_checkpoint(str(bench.checkpoint("asr", size)), MODEL_TYPE)).decoder
    projections = shape.hidden_size * shape.head_dim * 2 * (shape.heads + shape.kv_heads)
    layer = projections + 3 * shape.hidden_size * shape.ffn_size
    numbers = shape.layers * layer + shape.vocab_size * shape.hidden_size
    width = {"int8": 1, "int8-weights": 1, "fp8": 1}.get(bench.quantize, 2)
    return numbers * (4 if bench.dtype == "float32" else width)


def update_step(bench: Bench) -> list[Figure]:
    """A 2 s update of a 20 s segment whose previous partial holds: c1, and all streams due at the same moment."""
    bench.director.script = Script(prefix=1.0)
    figures: list[Figure] = []
    crowd = 4 if bench.quick else bench.streams
    for size in bench.sizes:
        for streams, target in ((1, 15.0), (crowd, 60.0)):
            times: list[list[float]] = []
            with bench.asr(size, streams, decoding="previous") as engine:
                for _ in range(bench.repeats + 1):
                    times.append(_update_ms(engine, streams))
            for percent in (50, 99):
                values = [percentile(run, percent) for run in times[1:]]
                goal = only(size, "1.7b", target) if percent == 99 or streams == 1 else None
                name = f"{size} engine, 2 s update at {streams}, p{percent}"
                figures.append(figure(name, "ms", values, goal))
    return figures


def _update_ms(engine: Engine, streams: int) -> list[float]:
    """When each stream's update was done, from the moment at which all are due."""
    clips = {str(number): _audio(SEGMENT_S) for number in range(streams)}
    drafts: dict[str, tuple[int, ...]] = {}

    def keep(event: WorkEvent) -> None:
        if isinstance(event, WorkDone):
            drafts[event.work_id] = tuple(event.hypothesis.tokens)

    upto = int((SEGMENT_S - UPDATE_S) * RATE_HZ)
    before = [_work(k, clip[:upto], RecognizeKind.PARTIAL) for k, clip in clips.items()]
    drained(engine, before, keep)
    done: list[float] = []
    begin_s = time.perf_counter()

    def stamp(event: WorkEvent) -> None:
        if isinstance(event, WorkDone):
            done.append((time.perf_counter() - begin_s) * 1000)

    due = [_work(k, clip, RecognizeKind.PARTIAL, drafts[k]) for k, clip in clips.items()]
    drained(engine, due, stamp)
    drained(engine, [_work(k, clip[:RATE_HZ]) for k, clip in clips.items()], _nothing)  # frees
    return done


def speculation(bench: Bench) -> list[Figure]:
    """Scripted acceptance from 0 to 1: the small model ahead of the large one, and previous partials.

    The ratio is over greedy decoding of the same clips; the draft model computes all that it would.
    """
    target, draft = bench.sizes[-1], bench.sizes[0]
    hypothesis = tuple(10 + number % 7 for number in range(round(CLIP_S * TOKENS_PER_S)))
    strategies = {
        "dual model": ({"decoding": "draft", "draft": str(bench.checkpoint("asr", draft))}, ()),
        "previous partial": ({"decoding": "previous"}, hypothesis),
    }
    bench.director.script = Script()
    with bench.asr(target, 1) as engine:
        greedy_ms, greedy_steps = _answers(bench, engine, ())
    figures: list[Figure] = []
    for name, (options, tokens) in strategies.items():
        with bench.asr(target, 1, **options) as engine:
            for share in (0.0, 1.0) if bench.quick else ACCEPTANCES:
                key = "per_token" if name == "dual model" else "prefix"
                bench.director.script = replace(Script(), **{key: share})
                times_ms, steps = _answers(bench, engine, tokens)
                title = f"{target} greedy / {name}, answer of 10 s, acceptance {share:g}"
                for what, over, under in (
                    ("time", greedy_ms, times_ms),
                    ("target steps", greedy_steps, steps),
                ):
                    ratios = [a / b for a, b in zip(over, under, strict=True)]
                    goal = GOALS.get((name, what, share))
                    figures.append(figure(f"{title}, {what}", "x", ratios, goal, better="higher"))
    return figures


def _answers(
    bench: Bench, engine: Engine, draft: tuple[int, ...]
) -> tuple[list[float], list[float]]:
    """Milliseconds and target steps of an answer, one of each for each repeat."""
    steps: list[int] = []

    def count_steps(event: WorkEvent) -> None:
        if isinstance(event, WorkDone):
            steps.append(event.timing.decode_steps)

    times: list[float] = []
    passes = 1 if bench.quick else 5
    for _ in range(bench.repeats + 1):
        runs = [
            1000 * drained(engine, [_work("one", _audio(CLIP_S), draft=draft)], count_steps)
            for _ in range(passes)
        ]
        times.append(percentile(runs, 50))
    means = [sum(steps[at : at + passes]) / passes for at in range(0, len(steps), passes)]
    return times[1:], means[1:]


def align(bench: Bench) -> list[Figure]:
    """60 s of audio with 180 words: one pass, from audio to word times."""
    source = " ".join(SENTENCES).split()
    words = [source[at % len(source)] for at in range(round(ALIGNED_S * WORDS_PER_S))]
    text = " ".join(words)

    def once() -> float:
        samples = _audio(ALIGNED_S)
        work = AlignWork(
            work_id="one",
            stream_id="one",
            work_class=WorkClass.UNARY,
            model="qwen3",
            segment=SegmentKey("one", 0, 0),
            samples=samples,
            text=text,
            language="en",
        )
        return 1000 * drained(engine, [work], _nothing)

    with bench.aligner() as engine:
        once()
        values = [
            percentile([once() for _ in range(1 if bench.quick else 10)], 50)
            for _ in range(bench.repeats)
        ]
    return [figure("align 60 s, 180 words", "ms", values, 15.0)]


def memory(bench: Bench) -> list[Figure]:
    """Device memory of a recognizer for one sequence, above the bare context."""
    bench.director.script = Script()
    targets = {("0.6b", "none"): 1700.0, ("0.6b", "int8"): 1000.0}
    figures: list[Figure] = []
    for size in bench.sizes:
        values: list[float] = []
        for _ in range(bench.repeats):
            before = used_bytes(bench.device)
            with bench.asr(size, 1, kept_segments=1) as engine:
                _ms(engine, [_work("one", _audio(CLIP_S))])
                values.append((used_bytes(bench.device) - before) / 1e6)
        name = f"{size} recognizer, quantize {bench.quantize}, one sequence"
        figures.append(figure(name, "MB", values, targets.get((size, bench.quantize))))
    return figures


def host_share(bench: Bench) -> list[Figure]:
    """How much of 64 sequences' decoding the GPU is busy: the union of its kernels over wall time."""
    bench.director.script = Script()
    figures: list[Figure] = []
    for size in bench.sizes:
        with bench.asr(size, 64) as engine:
            shares: list[float] = []
            for _ in range(bench.repeats + 1):
                works = [_work(str(number), _audio(CLIP_S)) for number in range(64)]
                for work in works:
                    engine.admit(work)
                for _ in range(8):
                    engine.step()
                shares.append(
                    100 * busy_share(bench.device, lambda: [engine.step() for _ in range(20)])
                )
                for work in works:
                    engine.abort(work.work_id)
        name = f"{size} decode at 64, GPU busy"
        figures.append(figure(name, "%", shares[1:], 85.0, better="higher"))
    return figures
