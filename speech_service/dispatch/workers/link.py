"""The connection to one running worker: one stream of messages, one task that writes, one that reads.

The writer pulls: it takes control commands and calls first, then what the outbox gives, and waits while the
worker is behind. So nothing piles up between the outbox and the socket.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator

from google.protobuf.duration_pb2 import Duration

from speech.internal.v1 import work_pb2
from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers import wire
from speech_service.dispatch.workers.calls import Calls
from speech_service.dispatch.workers.frames import Frames
from speech_service.dispatch.workers.outbox import Item, Outbox
from speech_service.domain.errors import InternalError
from speech_service.domain.work import SegmentKey, WorkAudio, WorkEvent, WorkFailed
from speech_service.tasks import log_failure

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1 << 20
"""No more work is added to a message once the segments of what is in it have this much audio."""


class WorkerLink:
    """Sends the outbox to a worker and brings outcomes back, until the stream ends.

    Of a segment's audio only what the worker does not have is sent; the record of that lives and
    dies with the link, as the worker's memory of it does.
    """

    def __init__(
        self, end: socket.socket, outbox: Outbox, on_event: Callable[[WorkEvent], None]
    ) -> None:
        """``end`` is our end of the connection; ``close`` closes it."""
        self._socket = end
        self._outbox = outbox
        self._on_event = on_event
        self._sent_samples: dict[str, dict[SegmentKey, int]] = {}
        self._control: deque[pb.RunCommand] = deque()
        self._wake = asyncio.Event()
        self._frames: Frames | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._calls = Calls(self._send)

    async def open(self) -> None:
        """Open the stream and start sending.

        Raises:
            OSError: the system has no descriptor for it.
        """
        frames = self._frames = await Frames.over(self._socket)
        self._tasks = [
            asyncio.create_task(self._write(frames), name="worker-link-write"),
            asyncio.create_task(self._read(frames), name="worker-link-read"),
        ]
        for task in self._tasks:  # its end is the end of the worker: ``wait_closed`` sees it
            task.add_done_callback(log_failure)
        self._wake.set()

    async def wait_closed(self) -> None:
        """Wait until the stream does not work any more, for whatever reason."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def wait_drained(self) -> None:
        """Wait until everything that the stream brought is delivered."""
        await asyncio.wait(self._tasks[1:])

    async def close(self) -> None:
        """End the stream; calls without an answer fail."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            if self._frames is not None:
                await self._frames.close()
        finally:
            self._socket.close()
            self._calls.close()

    def wake(self) -> None:
        """The outbox has something new, or the window has room again."""
        self._wake.set()

    def cancel(self, item: Item) -> None:
        """Give up an item that is in flight."""
        self._send(pb.RunCommand(cancel=work_pb2.CancelWork(work_id=item.wire_id)))

    def release(self, key: SegmentKey) -> None:
        """Forget a segment on both sides."""
        segments = self._sent_samples.get(key.stream_id, {})
        if segments.pop(key, None) is not None:
            self._send(wire.encode_release(key))
        if not segments:
            self._sent_samples.pop(key.stream_id, None)

    def release_stream(self, stream_id: str) -> None:
        """Forget all segments of a stream on both sides."""
        for key in self._sent_samples.pop(stream_id, {}):
            self._send(wire.encode_release(key))

    async def heartbeat(self, inference_s: float) -> pb.HeartbeatResponse:
        """Have every loaded model do a small inference, and hear after ``inference_s`` at the latest how that goes.

        Raises:
            ConnectionError: the worker is gone.
        """
        inference = Duration()
        inference.FromMilliseconds(round(inference_s * 1000))
        call = pb.Call(heartbeat=pb.HeartbeatRequest(timeout=inference))
        return (await self._calls.ask(call)).heartbeat

    async def status(self, timeout_s: float) -> pb.GetStatusResponse:
        """What the worker says of itself.

        Raises:
            TimeoutError: no answer in ``timeout_s``.
            ConnectionError: the worker is gone.
        """
        async with asyncio.timeout(timeout_s):
            return (await self._calls.ask(pb.Call(status=pb.GetStatusRequest()))).status

    async def load(self, model: str) -> pb.LoadModelResponse:
        """Have the worker load a model.

        Raises:
            SpeechError: it cannot be loaded.
            ConnectionError: the worker is gone.
        """
        return (await self._calls.ask(pb.Call(load=pb.LoadModelRequest(model=model)))).load

    async def unload(self, model: str) -> pb.UnloadModelResponse:
        """Have the worker unload a model. Raises what ``load`` raises."""
        return (await self._calls.ask(pb.Call(unload=pb.UnloadModelRequest(model=model)))).unload

    def _send(self, message: pb.RunCommand) -> None:
        self._control.append(message)
        self._wake.set()

    async def _write(self, frames: Frames) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while commands := self._next_commands():
                    for message in _messages(commands):
                        await frames.write(message)
                        await asyncio.sleep(
                            0
                        )  # minutes of audio are many messages: others have their turn

    def _next_commands(self) -> list[pb.RunCommand]:
        """What to write next, as much as fits into one message; empty: nothing now."""
        commands, size_bytes = list(self._control), 0
        self._control.clear()
        while size_bytes < MAX_MESSAGE_BYTES:
            item = self._outbox.next(time.monotonic())
            if item is None:
                break
            try:
                encoded = self._encode(item)
            except (TypeError, ValueError, OverflowError):  # what protobuf says of wrong values
                logger.exception("work cannot be sent")
                failure = InternalError("internal error")
                self._on_event(WorkFailed(item.work.work_id, failure))
                continue
            commands += encoded
            size_bytes += item.size_bytes
        return commands

    def _encode(self, item: Item) -> list[pb.RunCommand]:
        """The audio that the worker lacks, then the work."""
        submission = wire.encode_submit(item.work, item.wire_id)
        audio = item.work.audio
        if audio is None:
            return [submission]
        segments = self._sent_samples.setdefault(audio.key.stream_id, {})
        had, has = segments.get(audio.key, 0), len(audio.samples)
        segments[audio.key] = max(had, has)
        return [*wire.encode_audio(audio.key, audio.samples, had, has), submission]

    async def _read(self, frames: Frames) -> None:
        while (message := await frames.read()) is not None:
            for event in pb.RunResponse.FromString(message).events:
                self._take(event)

    def _take(self, event: pb.RunEvent) -> None:
        """One event that cannot be read costs its own work, not the worker."""
        try:
            self._receive(event)
        except Exception:
            logger.exception("an event of the worker cannot be read")
            item = self._outbox.find(_work_number(event))
            if item is not None:
                failure = InternalError("internal error")
                self._on_event(WorkFailed(item.work.work_id, failure))

    def _receive(self, event: pb.RunEvent) -> None:
        kind = event.WhichOneof("event")
        if kind is None:
            return
        if kind == "answer":
            self._calls.answered(event.answer)
            return
        item = self._outbox.find(_work_number(event))
        if item is None:
            return
        work_id = item.work.work_id
        match kind:
            case "done":
                waited_ms = ((item.sent_s or item.enqueued_s) - item.enqueued_s) * 1000
                self._on_event(wire.decode_done(event.done, work_id, waited_ms))
            case "failed":
                self._on_event(wire.decode_failed(event.failed, work_id))
            case "dropped":
                self._on_event(wire.decode_dropped(event.dropped, work_id))
            case "need_audio":
                self._resend(item)
            case "audio":
                self._receive_audio(item, event.audio)

    def _receive_audio(self, item: Item, message: work_pb2.WorkAudio) -> None:
        samples = item.fresh(wire.decode_samples(message))
        if len(samples):
            self._on_event(WorkAudio(item.work.work_id, samples, message.sample_rate_hz))

    def _resend(self, item: Item) -> None:
        """The worker lost the segment's audio: send all of it; the work itself waits there."""
        audio = item.work.audio
        if audio is None:
            return
        self._sent_samples.setdefault(audio.key.stream_id, {})[audio.key] = len(audio.samples)
        self._control.extend(wire.encode_audio(audio.key, audio.samples, 0, len(audio.samples)))
        self._wake.set()


def _messages(commands: list[pb.RunCommand]) -> Iterator[bytes]:
    """The commands in order, in messages of about ``MAX_MESSAGE_BYTES``."""
    begin = size_bytes = 0
    for end, command in enumerate(commands, 1):
        size_bytes += command.ByteSize()
        if size_bytes >= MAX_MESSAGE_BYTES or end == len(commands):
            yield pb.RunRequest(commands=commands[begin:end]).SerializeToString()
            begin, size_bytes = end, 0


def _work_number(event: pb.RunEvent) -> int:
    """Which work it is about; 0: none."""
    kind = event.WhichOneof("event")
    return 0 if kind in (None, "answer") else getattr(event, kind).work_id
