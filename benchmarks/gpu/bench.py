"""What all rows share: the device, the sizes, the checkpoints, the engines."""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import weights
from benchmarks.gpu.device import Rates, Stream, used_bytes
from benchmarks.gpu.scripting import TOKENS_PER_S, Director
from benchmarks.stats import Figure
from speech_service.domain.work import Work, WorkDone, WorkEvent
from speech_service.engines.qwen3.aligner import options as aligner
from speech_service.engines.qwen3.asr import options as recognizer
from speech_service.engines.qwen3.tts import options as synthesizer
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

FRAME_S = 0.08
SCRIPTED = "random weights, scripted"
SEGMENT_MS = 30_000
CONTEXT_TOKENS = 64
GPU_OPTIONS = {"graphs": True, "warm_up_ms": (2_000, 10_000, 24_000)}
"""Of a recognizer; a synthesizer captures graphs of itself."""


def stream_of(engine: Engine) -> Stream:
    """The stream that the engine works on."""
    return engine.device.stream if isinstance(engine, PlacedEngine) else _default_stream


def _default_stream() -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Bench:
    """How a run is made."""

    device: str
    sizes: Sequence[str]
    """Of models, "0.6b" and "1.7b"; "tiny" where the code itself is what is tried."""
    quick: bool
    repeats: int
    weights: Path
    rates: Rates
    director: Director
    quantize: str = "none"
    streams: int = 512
    """Most streams of rows that hold many; memory for so many slots must be there."""
    seconds: float = 60.0
    """Length of each load with streams or arrivals."""

    @property
    def dtype(self) -> str:
        """What networks compute in."""
        return "float32" if self.device == "cpu" else "bfloat16"

    def checkpoint(self, kind: str, size: str) -> Path:
        """Folder of random weights: kind "asr", "tts" or "aligner"; written when it is first asked for."""
        folder = self.weights / f"{kind}-{size}"
        if not (folder / weights.HOLLOW).exists():
            {"asr": weights.write_asr, "tts": weights.write_tts, "aligner": weights.write_aligner}[
                kind
            ](size, folder)
        return folder

    def asr_options(self, size: str, streams: int, **more: object) -> dict[str, Any]:
        """Options of ``recognizer/qwen3`` for so many sequences at once, segments of 30 s at most."""
        return {
            "model": str(self.checkpoint("asr", size)),
            "dtype": self.dtype,
            "device": self.device,
            "quantize": self.quantize,
            "max_batch": streams,
            "kept_segments": streams,
            "max_audio_ms": SEGMENT_MS,
            "max_context_tokens": CONTEXT_TOKENS,
            "tokens_per_s": TOKENS_PER_S,
            "decoding": "greedy",
            **GPU_OPTIONS,
            **more,
        }

    def served_options(self, size: str, streams: int, **more: object) -> dict[str, Any]:
        """The same for a server, which has no graphs where a rehearsal acts the device in its own process alone."""
        own = {"graphs": False} if self.device == "cpu" else {}
        return self.asr_options(size, streams, **{**own, **more})

    def tts_options(
        self, size: str, streams: int, seconds: float, **more: object
    ) -> dict[str, Any]:
        """Options of ``synthesizer/qwen3`` for so many streams, each text ``seconds`` long."""
        return {
            "model": str(self.checkpoint("tts", size)),
            "dtype": self.dtype,
            "device": self.device,
            "quantize": self.quantize,
            "max_batch": streams,
            "max_seconds": seconds + FRAME_S / 2,
            "max_prompt_tokens": 256,
            **more,
        }

    @contextmanager
    def asr(self, size: str, streams: int, **more: object) -> Iterator[Engine]:
        """A recognizer in this process."""
        with released():
            yield self.new_asr(size, streams, **more)

    @contextmanager
    def tts(self, size: str, streams: int, seconds: float) -> Iterator[Engine]:
        """A synthesizer in this process."""
        with released():
            yield self.new_tts(size, streams, seconds)

    def new_asr(self, size: str, streams: int, **more: object) -> Engine:
        """A recognizer that is the caller's."""
        options = recognizer.Qwen3AsrOptions(**self.asr_options(size, streams, **more))
        return recognizer.build(options, SharedModels())

    def new_tts(self, size: str, streams: int, seconds: float) -> Engine:
        """A synthesizer that is the caller's."""
        options = synthesizer.Qwen3TtsOptions(**self.tts_options(size, streams, seconds))
        return synthesizer.build(options, SharedModels())

    @contextmanager
    def aligner(self) -> Iterator[Engine]:
        """A forced aligner in this process."""
        model = self.checkpoint("aligner", "tiny" if "tiny" in self.sizes else "0.6b")
        chosen: dict[str, Any] = {"model": str(model), "dtype": self.dtype, "device": self.device}
        options = aligner.Qwen3AlignerOptions(**chosen)
        with released():
            yield aligner.build(options, SharedModels())


def release() -> None:
    """Give back the memory of engines that nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def released() -> Iterator[None]:
    """Memory of engines before it is free inside. Whoever holds the engine still has it at the end."""
    release()
    try:
        yield
    finally:
        release()


def taken_mb(bench: Bench, build: Callable[[], Engine], use: Callable[[Engine], object]) -> float:
    """Memory of the device that an engine takes by its use; when this returns, it is given back."""
    release()
    before = used_bytes(bench.device)
    engine = build()
    use(engine)
    return (used_bytes(bench.device) - before) / 1e6


def drained(engine: Engine, works: Iterable[Work], on_event: Callable[[WorkEvent], None]) -> float:
    """Admit all, step until all are done; returns the seconds that took.

    Raises:
        RuntimeError: one failed.
    """
    begin_s = time.perf_counter()
    waiting: set[str] = set()
    for work in works:
        waiting.add(work.work_id)
        engine.admit(work)
    while waiting:
        for event in engine.step():
            on_event(event)
            if isinstance(event, WorkDone):
                waiting.discard(event.work_id)
            elif type(event).__name__ == "WorkFailed":
                raise RuntimeError(f"work failed: {event}")
    return time.perf_counter() - begin_s


@dataclass(frozen=True, slots=True)
class GpuFigure(Figure):
    """A figure beside what was to be expected."""

    estimate: float | None = None
    """Of the cost model, for an H200, before anything was measured."""

    def row(self) -> dict[str, Any]:
        """With the estimate."""
        return Figure.row(self) | {"estimate": self.estimate}


def figure(
    name: str, unit: str, values: Sequence[float], target: float | None = None, **more: Any
) -> Figure:
    """A figure that says what it is made with."""
    return GpuFigure(f"{name} ({SCRIPTED})", unit, values, target, **more)


def say(text: str) -> None:
    """Tell whoever watches; standard output is for results."""
    sys.stderr.write(text + "\n")


def only(size: str, wanted: str, target: float) -> float | None:
    """A target that is set for one size."""
    return target if size == wanted else None


def toml(kind: str, options: dict[str, Any]) -> str:
    """One model of a configuration file."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    return "\n".join(["[[models]]", f"kind = {json.dumps(kind)}", "[models.options]", *lines, ""])
