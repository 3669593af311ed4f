"""Recognition and alignment, on engines in this process."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.bench import Bench, drained, figure, only, stream_of, taken_mb
from benchmarks.gpu.device import Kernels, kernels, timed_ms
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
from speech_service.engines.qwen3.asr.build import open_recognizer, read_encoder
from speech_service.engines.qwen3.checkpoint.reading import DTYPES
from speech_service.engines.qwen3.encoder.network import MelWindow
from speech_service.engines.qwen3.encoder.torch import CapturedEncoder
from speech_service.engines.runtimes.torch import open_device
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
BATCHES = (1, 64, 256)
DECODE_MS = {1: 2.5, 64: 3.6, 256: 10.0}
DECODE_KERNELS = 602
ENCODER_MS = {2: 1.5, 16: 6.0}
PREFILL_MS = 14.0
"""What was to be expected of the 1.7B on an H200 before anything ran on one: ``estimate`` of the figures."""
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


def first_token(bench: Bench) -> Iterator[Figure]:
    """10 s of audio to the first token: mel, encoder, prefill, one decode step, no gRPC."""
    bench.director.script = Script(tokens_per_s=0.0)
    passes = 3 if bench.quick else 30
    for size in bench.sizes:
        with bench.asr(size, 1) as engine:
            _ms(engine, [_work("warm-up", _audio(CLIP_S))])
            runs = [
                [_ms(engine, [_work("one", _audio(CLIP_S))]) for _ in range(passes)]
                for _ in range(bench.repeats)
            ]
        for percent in (50, 99):
            values = [percentile(run, percent) for run in runs]
            estimate = only(size, "1.7b", 15.0)
            name = f"{size} engine, 10 s to first token, p{percent}"
            yield figure(name, "ms", values, estimate=estimate)


def decode_step(bench: Bench) -> Iterator[Figure]:
    """One greedy decode step of a batch behind 10 s of audio: wall, GPU, kernels, and share of the bandwidth."""
    bench.director.script = Script()
    for size in bench.sizes:
        for batch in BATCHES[:1] if bench.quick else BATCHES:
            yield from _decode_at(bench, size, batch)


def _decode_at(bench: Bench, size: str, batch: int) -> Iterator[Figure]:
    walls: list[float] = []
    spans: list[float] = []
    with bench.asr(size, batch, kept_segments=0) as engine:
        for _ in range(bench.repeats + 1):
            _admit_decoding(engine, batch)
            wall, span = timed_ms(bench.device, engine.step, 10, stream_of(engine))
            walls.append(wall)
            spans.append(span)
            _abort(engine, batch)
        _admit_decoding(engine, batch)
        seen = kernels(bench.device, engine.step)
    title = f"{size} decode step, batch {batch}"
    estimate = DECODE_MS.get(batch) if size == "1.7b" else None
    yield figure(f"{title}, wall", "ms", walls[1:], estimate=estimate)
    yield figure(f"{title}, GPU", "ms", spans[1:], estimate=estimate)
    yield from _seen(title, seen, DECODE_KERNELS if size == "1.7b" else None)
    weights_gb = _decoder_bytes(bench, size) / 1e9
    share = [100 * weights_gb / (wall / 1000) / bench.rates.copy_gb_s for wall in walls[1:]]
    name = f"{title}, weights read, share of the copy rate"
    yield figure(name, "%", share, better="higher")


def _admit_decoding(engine: Engine, batch: int) -> None:
    """So many sequences that all decode."""
    for number in range(batch):
        engine.admit(_work(f"{number}", _audio(CLIP_S)))
    for _ in range(8):
        engine.step()


def _abort(engine: Engine, batch: int) -> None:
    for number in range(batch):
        engine.abort(f"{number}")


def _seen(title: str, seen: Kernels, estimate: float | None = None) -> Iterator[Figure]:
    yield figure(f"{title}, kernels", "kernels", [float(seen.count)], estimate=estimate)
    yield figure(f"{title}, kernels' time", "ms", [seen.busy_ms])


def encoder(bench: Bench) -> Iterator[Figure]:
    """The audio encoder over whole windows of 8 s, without their features."""
    for size in bench.sizes:
        checkpoint, config = open_recognizer(str(bench.checkpoint("asr", size)), "")
        device, shape = open_device(bench.device), config.audio
        module = read_encoder(checkpoint, config).to(device.where, DTYPES[bench.dtype])
        mel = torch.randn(shape.mel_bins, shape.window_frames).clamp(-1.5, 1.5)
        with device.stream(), torch.inference_mode():
            network = CapturedEncoder(module, device, device.graphs())
            for count in (2, 16):
                windows = [MelWindow(mel, is_clip=False)] * count
                encode = partial(network.encode, windows)
                encode()
                passes = 2 if bench.quick else 20
                wall, span = timed_ms(bench.device, encode, passes, device.stream)
                title = f"{size} encoder, {count} windows of 8 s"
                estimate = ENCODER_MS.get(count) if size == "1.7b" else None
                yield figure(f"{title}, wall", "ms", [wall], estimate=estimate)
                yield figure(f"{title}, GPU", "ms", [span], estimate=estimate)
                yield from _seen(title, kernels(bench.device, encode))


def prefill(bench: Bench) -> Iterator[Figure]:
    """The step that reads 10 s of audio: features, encoder, and the prompt of about 145 tokens."""
    bench.director.script = Script()
    for size in bench.sizes:
        with bench.asr(size, 1, kept_segments=0) as engine:
            walls: list[float] = []
            for number in range(2 if bench.quick else 12):
                engine.admit(_work("0", _audio(CLIP_S)))
                walls.append(timed_ms(bench.device, engine.step, 1, stream_of(engine))[0])
                engine.abort("0")
                del number
            engine.admit(_work("0", _audio(CLIP_S)))
            seen = kernels(bench.device, engine.step)
        title = f"{size} step that reads 10 s"
        estimate = PREFILL_MS if size == "1.7b" else None
        yield figure(f"{title}, wall", "ms", walls[1:], estimate=estimate)
        yield from _seen(title, seen)


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


def update_step(bench: Bench) -> Iterator[Figure]:
    """A 2 s update of a 20 s segment whose previous partial holds: c1, and many streams' in turn over 2 s."""
    bench.director.script = Script(prefix=1.0)
    crowd = 4 if bench.quick else min(512, bench.streams)
    for size in bench.sizes:
        for streams, target in ((1, 15.0), (crowd, 60.0)):
            times = _updates(bench, size, streams)
            for percent in (50, 99):
                values = [percentile(run, percent) for run in times[1:]]
                goal = only(size, "1.7b", target) if percent == 99 or streams == 1 else None
                name = f"{size} engine, 2 s update at {streams}, p{percent}"
                yield figure(name, "ms", values, goal)


def _updates(bench: Bench, size: str, streams: int) -> list[list[float]]:
    rows = min(streams, 64)
    with bench.asr(size, rows, kept_segments=streams, decoding="previous") as engine:
        return [_update_ms(engine, streams) for _ in range(bench.repeats + 1)]


def _update_ms(engine: Engine, streams: int) -> list[float]:
    """How long after it was due each stream's update was done; one is due every 2 s / streams."""
    clips = {str(number): _audio(SEGMENT_S) for number in range(streams)}
    drafts: dict[str, tuple[int, ...]] = {}

    def keep(event: WorkEvent) -> None:
        if isinstance(event, WorkDone):
            drafts[event.work_id] = tuple(event.hypothesis.tokens)

    upto = int((SEGMENT_S - UPDATE_S) * RATE_HZ)
    before = [_work(k, clip[:upto], RecognizeKind.PARTIAL) for k, clip in clips.items()]
    drained(engine, before, keep)
    due = [_work(k, clip, RecognizeKind.PARTIAL, drafts[k]) for k, clip in clips.items()]
    done = staggered_ms(engine, due, UPDATE_S / streams)
    drained(engine, [_work(k, clip[:RATE_HZ]) for k, clip in clips.items()], _nothing)  # frees
    return done


def staggered_ms(engine: Engine, works: Sequence[RecognizeWork], every_s: float) -> list[float]:
    """Admit a work every so often, whether the others are done or not; how long each was after its time."""
    due_s: dict[str, float] = {}
    done: list[float] = []
    begin_s, waiting = time.perf_counter(), deque(works)
    while len(done) < len(works):
        now_s = time.perf_counter() - begin_s
        while waiting and (at_s := every_s * (len(works) - len(waiting))) <= now_s:
            work = waiting.popleft()
            due_s[work.work_id] = begin_s + at_s
            engine.admit(work)
        if len(due_s) == len(done):  # nothing to do before the next one
            time.sleep(max(0.0, every_s * len(due_s) - now_s))
            continue
        for event in engine.step():
            if not isinstance(event, WorkDone):
                raise RuntimeError(f"work failed: {event}")
            done.append((time.perf_counter() - due_s[event.work_id]) * 1000)
    return done


def speculation(bench: Bench) -> Iterator[Figure]:
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
    greedy = _greedy(bench, target)
    for name, (options, tokens) in strategies.items():
        yield from _over_greedy(bench, target, name, options, tokens, greedy)


def _greedy(bench: Bench, size: str) -> tuple[list[float], list[float]]:
    with bench.asr(size, 1) as engine:
        return _answers(bench, engine, ())


def _over_greedy(
    bench: Bench,
    target: str,
    name: str,
    options: dict[str, Any],
    tokens: tuple[int, ...],
    greedy: tuple[list[float], list[float]],
) -> Iterator[Figure]:
    greedy_ms, greedy_steps = greedy
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
                yield figure(f"{title}, {what}", "x", ratios, goal, better="higher")


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


def align(bench: Bench) -> Iterator[Figure]:
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
    yield figure("align 60 s, 180 words", "ms", values, 15.0, estimate=50.0)


def memory(bench: Bench) -> Iterator[Figure]:
    """Device memory of a recognizer for one sequence, above the bare context."""
    bench.director.script = Script()
    targets = {("0.6b", "none"): 1700.0, ("0.6b", "int8"): 1000.0}
    for size in bench.sizes:
        values = [
            taken_mb(
                bench,
                partial(bench.new_asr, size, 1, kept_segments=1),
                lambda engine: _ms(engine, [_work("one", _audio(CLIP_S))]),
            )
            for _ in range(bench.repeats)
        ]
        name = f"{size} recognizer, quantize {bench.quantize}, one sequence"
        yield figure(name, "MB", values, targets.get((size, bench.quantize)))


def host_share(bench: Bench) -> Iterator[Figure]:
    """How much of 64 sequences' decoding the GPU is busy: the union of its kernels over wall time."""
    bench.director.script = Script()
    batch = 4 if bench.quick else 64
    for size in bench.sizes:
        yield from _busy(bench, size, batch)


def _busy(bench: Bench, size: str, batch: int) -> Iterator[Figure]:
    shares: list[float] = []
    with bench.asr(size, batch, kept_segments=0) as engine:
        for _ in range(bench.repeats + 1):
            _admit_decoding(engine, batch)
            seen = kernels(bench.device, lambda: [engine.step() for _ in range(20)])
            shares.append(100 * seen.busy_share)
            _abort(engine, batch)
    yield figure(f"{size} decode at {batch}, GPU busy", "%", shares[1:], 85.0, better="higher")
