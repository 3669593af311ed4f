"""The connection to one running worker: one task that writes, one that reads.

The writer pulls: it takes control messages and questions first, then what the outbox gives, and waits while the
worker is behind. So nothing piles up between the outbox and the socket.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from itertools import chain

from speech_service.config.tree import ObservabilityConfig
from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.dispatch.workers.messages import (
    AudioWanted,
    BeatNow,
    Beats,
    CancelledWork,
    DroppedWork,
    FailedWork,
    FinishedWork,
    FromWorker,
    LoadModel,
    LogChanged,
    MadeAudio,
    ModelLoaded,
    ModelUnloaded,
    ProcessStatus,
    Reply,
    SegmentOver,
    TellStatus,
    ToWorker,
    UnloadModel,
)
from speech_service.dispatch.workers.outbox import OutboxItem, WorkOutbox
from speech_service.dispatch.workers.questions import Questions
from speech_service.domain.errors import InternalError
from speech_service.domain.work import SegmentKey, WorkAudio, WorkDropped, WorkEvent, WorkFailed
from speech_service.tasks import log_failure

logger = logging.getLogger(__name__)


class WorkerLink:
    """Sends the outbox to a worker and brings outcomes back, until the connection ends.

    Of a segment's audio only what the worker does not have is sent; the record of that lives and
    dies with the link, as the worker's memory of it does.
    """

    def __init__(
        self, frames: FrameSocket, outbox: WorkOutbox, on_event: Callable[[WorkEvent], None]
    ) -> None:
        """Start sending. ``frames`` stay the caller's to close, after ``close``."""
        self._outbox = outbox
        self._on_event = on_event
        self._sent_samples: dict[str, dict[SegmentKey, int]] = {}
        self._control: deque[ToWorker] = deque()
        self._wake = asyncio.Event()
        self._wake.set()
        self._questions = Questions(self._send)
        self._writing = asyncio.create_task(self._write(frames), name="worker-link-write")
        self._reading = asyncio.create_task(self._read(frames), name="worker-link-read")
        for task in (self._writing, self._reading):  # ``wait_closed`` sees that it ended
            task.add_done_callback(log_failure)

    async def wait_closed(self) -> None:
        """Wait until the connection does not work any more, for whatever reason."""
        await asyncio.wait((self._writing, self._reading), return_when=asyncio.FIRST_COMPLETED)

    async def wait_drained(self) -> None:
        """Wait until everything that the connection brought is delivered."""
        await asyncio.wait((self._reading,))

    async def close(self) -> None:
        """Stop sending; questions without an answer fail."""
        self._writing.cancel()
        self._reading.cancel()
        await asyncio.gather(self._writing, self._reading, return_exceptions=True)
        self._questions.close()

    def wake(self) -> None:
        """The outbox has something new, or the window has room again."""
        self._wake.set()

    def cancel(self, item: OutboxItem) -> None:
        """Give up an item that is in flight."""
        self._send(CancelledWork(item.wire_id))

    def release(self, key: SegmentKey) -> None:
        """Forget a segment on both sides."""
        segments = self._sent_samples.get(key.stream_id, {})
        if segments.pop(key, None) is not None:
            self._send(SegmentOver(key))
        if not segments:
            self._sent_samples.pop(key.stream_id, None)

    def release_stream(self, stream_id: str) -> None:
        """Forget all segments of a stream on both sides."""
        for key in self._sent_samples.pop(stream_id, {}):
            self._send(SegmentOver(key))

    async def heartbeat(self, inference_s: float) -> Beats:
        """Have every loaded model do a small inference, and hear after ``inference_s`` at the latest how that goes.

        Raises:
            ConnectionError: the worker is gone.
        """
        return await self._questions.ask(BeatNow(inference_s), Beats)

    async def status(self, timeout_s: float) -> ProcessStatus:
        """What the worker says of itself.

        Raises:
            TimeoutError: no answer in ``timeout_s``.
            ConnectionError: the worker is gone.
        """
        async with asyncio.timeout(timeout_s):
            return await self._questions.ask(TellStatus(), ProcessStatus)

    async def load(self, model: str) -> float:
        """Have the worker load a model; returns milliseconds, 0 if it was loaded.

        Raises:
            SpeechError: it cannot be loaded.
            ConnectionError: the worker is gone.
        """
        return (await self._questions.ask(LoadModel(model), ModelLoaded)).load_ms

    async def unload(self, model: str) -> bool:
        """Have the worker unload a model; False: it was not loaded. Raises what ``load`` raises."""
        return (await self._questions.ask(UnloadModel(model), ModelUnloaded)).was_loaded

    def change_log(self, observability: ObservabilityConfig) -> None:
        """Have the worker log so."""
        self._send(LogChanged(observability))

    def _send(self, message: ToWorker) -> None:
        self._control.append(message)
        self._wake.set()

    async def _write(self, frames: FrameSocket) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while ready := self._next_messages():
                    for frame in codec.frames(ready):
                        await frames.write(frame)
                        # Minutes of audio are many frames: others have their turn.
                        await asyncio.sleep(0)

    def _next_messages(self) -> list[bytes]:
        """What to write next, about one frame; empty: nothing now."""
        ready = [codec.encode(message) for message in self._control]
        self._control.clear()
        size_bytes = 0
        while size_bytes < codec.FULL_FRAME_BYTES:
            item = self._outbox.next(time.monotonic())
            if item is None:
                break
            try:
                ready += self._encode(item)
            except (TypeError, ValueError, OverflowError):  # what the codec says of wrong values
                logger.exception("work cannot be sent")
                failure = InternalError("internal error")
                self._on_event(WorkFailed(item.work.work_id, failure))
                continue
            size_bytes += item.size_bytes
        return ready

    def _encode(self, item: OutboxItem) -> list[bytes]:
        """The audio that the worker lacks, then the work."""
        new_work = messages.work_message(item.work, item.wire_id)
        audio = item.work.audio
        if audio is None:
            return [codec.encode(new_work)]
        segments = self._sent_samples.setdefault(audio.key.stream_id, {})
        had, has = segments.get(audio.key, 0), len(audio.samples)
        segments[audio.key] = max(had, has)
        new_audio = messages.audio_messages(audio.key, audio.samples, had, has)
        return [codec.encode(message) for message in chain(new_audio, [new_work])]

    async def _read(self, frames: FrameSocket) -> None:
        while (frame := await frames.read()) is not None:
            for message in messages.read_from_worker(frame):
                self._take(message)

    def _take(self, message: FromWorker) -> None:
        """One message that makes no sense costs its own work, not the worker."""
        if isinstance(message, Reply):
            self._questions.answered(message)
            return
        item = self._outbox.find(message.number)
        if item is None:
            return
        try:
            self._receive(message, item)
        except Exception:
            logger.exception("what the worker says of work cannot be taken")
            failure = InternalError("internal error")
            self._on_event(WorkFailed(item.work.work_id, failure))

    def _receive(
        self,
        message: FinishedWork | FailedWork | DroppedWork | MadeAudio | AudioWanted,
        item: OutboxItem,
    ) -> None:
        work_id = item.work.work_id
        match message:
            case FinishedWork():
                waited_ms = ((item.sent_s or item.enqueued_s) - item.enqueued_s) * 1000
                self._on_event(messages.take_done(message, work_id, waited_ms))
            case FailedWork():
                self._on_event(messages.take_failed(message, work_id))
            case DroppedWork(reason=reason):
                self._on_event(WorkDropped(work_id, reason))
            case MadeAudio():
                samples = item.fresh(message.samples)
                if len(samples):
                    self._on_event(WorkAudio(work_id, samples, message.sample_rate_hz))
            case AudioWanted():
                self._resend(item)

    def _resend(self, item: OutboxItem) -> None:
        """The worker lost the segment's audio: send all of it; the work itself waits there."""
        audio = item.work.audio
        if audio is None:
            return
        has = len(audio.samples)
        self._sent_samples.setdefault(audio.key.stream_id, {})[audio.key] = has
        self._control.extend(messages.audio_messages(audio.key, audio.samples, 0, has))
        self._wake.set()
