"""Synthesis, on an engine in this process."""

from benchmarks.gpu.bench import FRAME_S, Bench, figure, only
from benchmarks.gpu.device import busy_share, timed_ms, used_bytes
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
BATCHES = (1, 8, 64)


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


def frame(bench: Bench) -> list[Figure]:
    """One frame (80 ms of speech) of all streams: talker, 15 predictor passes, and the codec's share."""
    frames = 4 if bench.quick else TIMED_FRAMES
    figures: list[Figure] = []
    for size in bench.sizes:
        for streams in BATCHES[:1] if bench.quick else BATCHES:
            walls: list[float] = []
            spans: list[float] = []
            with bench.tts(size, streams, TEXT_S) as engine:
                for _ in range(bench.repeats + 1):
                    _begin(engine, streams)
                    for _ in range(2 if bench.quick else SETTLED_FRAMES):
                        engine.step()

                    def speak(engine: Engine = engine) -> None:
                        for _ in range(frames):
                            engine.step()

                    wall, span = timed_ms(bench.device, speak, 1)
                    walls.append(wall / frames)
                    spans.append(span / frames)
                    _end(engine, streams)
            title = f"{size} TTS frame, {streams} streams"
            goal = only(size, "1.7b", 2.5) if streams == 1 else None
            figures.append(figure(f"{title}, wall", "ms", walls[1:], goal))
            figures.append(figure(f"{title}, GPU", "ms", spans[1:]))
            pace = [streams * FRAME_S * 1000 / wall for wall in walls[1:]]
            name = f"{title}, speech seconds per second"
            figures.append(figure(name, "x", pace, better="higher"))
            read_gb = _bytes_per_frame(bench, size) / 1e9
            share = [100 * read_gb / (wall / 1000) / bench.rates.copy_gb_s for wall in walls[1:]]
            name = f"{title}, weights read, share of the copy rate"
            figures.append(figure(name, "%", share, better="higher"))
    return figures


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


def first_audio(bench: Bench) -> list[Figure]:
    """Text to the first samples on the host, no gRPC."""
    figures: list[Figure] = []
    for size in bench.sizes:
        with bench.tts(size, 1, TEXT_S) as engine:

            def sound(engine: Engine = engine) -> None:
                _begin(engine, 1)
                while not any(isinstance(event, WorkAudio) for event in engine.step()):
                    pass
                _end(engine, 1)

            timed_ms(bench.device, sound, 3)
            passes = 2 if bench.quick else 20
            walls = [timed_ms(bench.device, sound, passes)[0] for _ in range(bench.repeats)]
        figures.append(figure(f"{size} TTS engine, text to first samples, p50", "ms", walls))
    return figures


def memory(bench: Bench) -> list[Figure]:
    """Device memory of a synthesizer for one stream, above the bare context."""
    figures: list[Figure] = []
    for size in bench.sizes:
        values: list[float] = []
        for _ in range(bench.repeats):
            before = used_bytes(bench.device)
            with bench.tts(size, 1, TEXT_S) as engine:
                _begin(engine, 1)
                engine.step()
                values.append((used_bytes(bench.device) - before) / 1e6)
        name = f"{size} synthesizer, quantize {bench.quantize}, one stream"
        figures.append(figure(name, "MB", values))
    return figures


def host_share(bench: Bench) -> list[Figure]:
    """How much of 64 streams' frames the GPU is busy."""
    figures: list[Figure] = []
    for size in bench.sizes:
        with bench.tts(size, 64, TEXT_S) as engine:
            _begin(engine, 64)
            for _ in range(SETTLED_FRAMES):
                engine.step()
            shares = [
                100 * busy_share(bench.device, lambda: [engine.step() for _ in range(16)])
                for _ in range(bench.repeats + 1)
            ]
        name = f"{size} TTS frames of 64 streams, GPU busy"
        figures.append(figure(name, "%", shares[1:], 85.0, better="higher"))
    return figures
