"""Synthesis, on an engine in this process."""

from collections.abc import Iterator
from functools import partial

from benchmarks.gpu.bench import FRAME_S, Bench, figure, only, stream_of, taken_mb
from benchmarks.gpu.device import kernels, timed_ms
from benchmarks.stats import Figure
from benchmarks.synthesis_texts import SENTENCES
from speech_service.domain.work import SynthesizeWork, WorkAudio, WorkClass
from speech_service.protocols import Engine

SPEAKER = "ryan"
TEXT_S = 40.0
"""Longer than anything that is measured here."""
SETTLED_FRAMES = 40
"""Frames before frames are timed: chunks of the codec have their full length."""
TIMED_FRAMES = 40
BATCHES = (1, 64, 256)
FRAME_MS = {1: 7.5, 64: 10.5, 256: 18.0}
FRAME_KERNELS = 2751
"""What was to be expected of the 1.7B on an H200 before anything ran on one: ``estimate`` of the figures."""


def _begin(engine: Engine, streams: int) -> None:
    for number in range(streams):
        engine.admit(
            SynthesizeWork(
                work_id=str(number),
                stream_id=str(number),
                work_class=WorkClass.UNARY,
                model="qwen3",
                text=SENTENCES[number % len(SENTENCES)],
                voice=SPEAKER,
                language="en",
                seed=number,
            )
        )


def _end(engine: Engine, streams: int) -> None:
    for number in range(streams):
        engine.abort(str(number))


def frame(bench: Bench) -> Iterator[Figure]:
    """One frame (80 ms of speech) of all streams: talker, 15 predictor passes, and the codec's share."""
    for size in bench.sizes:
        for streams in BATCHES[:1] if bench.quick else BATCHES:
            yield from _frame_at(bench, size, streams)


def _frame_at(bench: Bench, size: str, streams: int) -> Iterator[Figure]:
    frames = 4 if bench.quick else TIMED_FRAMES
    walls: list[float] = []
    spans: list[float] = []
    with bench.tts(size, streams, TEXT_S) as engine:

        def speak() -> None:
            for _ in range(frames):
                engine.step()

        for _ in range(bench.repeats + 1):
            _settle(bench, engine, streams)
            wall, span = timed_ms(bench.device, speak, 1, stream_of(engine))
            walls.append(wall / frames)
            spans.append(span / frames)
            _end(engine, streams)
        _settle(bench, engine, streams)
        seen = kernels(bench.device, engine.step)
    title = f"{size} TTS frame, {streams} streams"
    is_released = size == "1.7b"
    goal = 2.5 if is_released and streams == 1 else None
    estimate = FRAME_MS.get(streams) if is_released else None
    yield figure(f"{title}, wall", "ms", walls[1:], goal, estimate=estimate)
    yield figure(f"{title}, GPU", "ms", spans[1:], estimate=estimate)
    many = FRAME_KERNELS if is_released else None
    yield figure(f"{title}, kernels", "kernels", [float(seen.count)], estimate=many)
    pace = [streams * FRAME_S * 1000 / wall for wall in walls[1:]]
    yield figure(f"{title}, speech seconds per second", "x", pace, better="higher")
    read_gb = _bytes_per_frame(bench, size) / 1e9
    share = [100 * read_gb / (wall / 1000) / bench.rates.copy_gb_s for wall in walls[1:]]
    name = f"{title}, weights read, share of the copy rate"
    yield figure(name, "%", share, better="higher")


def _settle(bench: Bench, engine: Engine, streams: int) -> None:
    _begin(engine, streams)
    for _ in range(2 if bench.quick else SETTLED_FRAMES):
        engine.step()


def _bytes_per_frame(bench: Bench, size: str) -> float:
    """Weights that a frame reads: the talker once, the predictor's layers 15 times, its heads once each."""
    from speech_service.engines.qwen3.nn.shapes import DecoderShape
    from speech_service.engines.qwen3.tts.config import read_tts_config
    from speech_service.engines.qwen_release.files import read_files

    config = read_tts_config(read_files("checkpoint", bench.checkpoint("tts", size)))

    def layers(shape: DecoderShape) -> int:
        attention = shape.hidden_size * shape.head_dim * 2 * (shape.heads + shape.kv_heads)
        return shape.layers * (attention + 3 * shape.hidden_size * shape.ffn_size)

    talker, predictor, books = config.talker, config.predictor, config.codebooks - 1
    heads = talker.vocab_size * talker.hidden_size
    heads += books * predictor.vocab_size * predictor.hidden_size
    width = {"int8": 1, "int8-weights": 1, "fp8": 1}.get(bench.quantize, 2)
    width, wide = (4, 4) if bench.dtype == "float32" else (width, 2)
    return wide * heads + width * (layers(talker) + books * layers(predictor))


def first_audio(bench: Bench) -> Iterator[Figure]:
    """Text to the first samples on the host, no gRPC."""
    for size in bench.sizes:
        yield from _first_audio_of(bench, size)


def _first_audio_of(bench: Bench, size: str) -> Iterator[Figure]:
    with bench.tts(size, 1, TEXT_S) as engine:

        def sound() -> None:
            _begin(engine, 1)
            while not any(isinstance(event, WorkAudio) for event in engine.step()):
                pass
            _end(engine, 1)

        timed_ms(bench.device, sound, 3)
        passes = 2 if bench.quick else 20
        walls = [timed_ms(bench.device, sound, passes)[0] for _ in range(bench.repeats)]
    name = f"{size} TTS engine, text to first samples, p50"
    yield figure(name, "ms", walls, estimate=only(size, "1.7b", 20.0))


def memory(bench: Bench) -> Iterator[Figure]:
    """Device memory of a synthesizer for one stream, above the bare context."""

    def use(engine: Engine) -> None:
        _begin(engine, 1)
        engine.step()

    for size in bench.sizes:
        build = partial(bench.new_tts, size, 1, TEXT_S)
        values = [taken_mb(bench, build, use) for _ in range(bench.repeats)]
        name = f"{size} synthesizer, quantize {bench.quantize}, one stream"
        yield figure(name, "MB", values)


def host_share(bench: Bench) -> Iterator[Figure]:
    """How much of 64 streams' frames the GPU is busy."""
    for size in bench.sizes:
        yield from _busy(bench, size, 2 if bench.quick else 64)


def _busy(bench: Bench, size: str, streams: int) -> Iterator[Figure]:
    steps = 2 if bench.quick else 16
    with bench.tts(size, streams, TEXT_S) as engine:
        _settle(bench, engine, streams)
        shares = [
            100 * kernels(bench.device, lambda: [engine.step() for _ in range(steps)]).busy_share
            for _ in range(bench.repeats + 1)
        ]
    name = f"{size} TTS frames of {streams} streams, GPU busy"
    yield figure(name, "%", shares[1:], 85.0, better="higher")
