"""``python -m benchmarks.worker_messages``: what a live update costs on its way to the worker and back, in us.

An update is 300 ms of new audio and the work that reads 5 s of it; its result is a sentence of 40 tokens.
"""

import timeit
from collections.abc import Callable

import numpy as np

from benchmarks.results import console
from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.messages import FinishedWork, NewWork
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkTiming,
)

RUNS, REPEATS = 2000, 7
TOKENS = tuple(range(1000, 1040))
SAMPLES = np.random.default_rng(0).standard_normal(80_000).astype(np.float32)
WORK = RecognizeWork(
    "w-123",
    SegmentKey("stream-1234", 0, 7),
    RecognizeKind.PARTIAL,
    WorkClass.STREAM_PARTIAL,
    SAMPLES,
    "moonshine-base",
    language="en",
    draft_tokens=TOKENS,
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
TEXT = "the quick brown fox jumps over the lazy dog and runs away"
DONE = WorkDone("w-123", Hypothesis(TEXT, TOKENS, "en"), WorkTiming(1.5, 2.5, 30.5, 12, 40, 38))


def encode_work() -> bytes:
    """What the front end does of it."""
    ahead = messages.audio_messages(WORK.segment, SAMPLES, 75_200, 80_000)
    said = [*ahead, messages.work_message(WORK, 9)]
    return next(codec.frames(map(codec.encode, said)))


def decode_work(frame: bytes) -> None:
    """What the worker does of it."""
    for message in messages.read_to_worker(frame):
        if isinstance(message, NewWork):
            work = messages.take_work(message)
            assert isinstance(work, RecognizeWork)
            messages.with_audio(work, SAMPLES)


def encode_result() -> bytes:
    """What the worker does of it."""
    return next(codec.frames(map(codec.encode, messages.event_messages(DONE, 9))))


def decode_result(frame: bytes) -> None:
    """What the front end does of it."""
    for message in messages.read_from_worker(frame):
        assert isinstance(message, FinishedWork)
        messages.take_done(message, "w-123", 1.0)


def main() -> None:
    """Print a line for each of the four."""
    work, result = encode_work(), encode_result()
    steps: dict[str, Callable[[], object]] = {
        f"work, {len(work)} bytes: encode": encode_work,
        "work: decode": lambda: decode_work(work),
        f"result, {len(result)} bytes: encode": encode_result,
        "result: decode": lambda: decode_result(result),
    }
    for name, step in steps.items():
        best_s = min(timeit.repeat(step, number=RUNS, repeat=REPEATS)) / RUNS
        console.print(f"{name}: {best_s * 1e6:.1f} us")


if __name__ == "__main__":
    main()
