"""What a worker does for its front end: a connection of work, and of calls beside it."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator

from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers.frames import Frames
from speech_service.protocols import Submitter
from speech_service.worker.audio_store import AudioStore
from speech_service.worker.calls import Calls
from speech_service.worker.run_stream import RunStream

logger = logging.getLogger(__name__)


class WorkerService:
    """Serves one front end: the process that spawned this one."""

    def __init__(self, submitter: Submitter, calls: Calls, max_audio_bytes: int) -> None:
        self._submitter = submitter
        self._calls = calls
        self._max_audio_bytes = max_audio_bytes
        self._stream_numbers = itertools.count(1)

    async def run(self, frames: Frames) -> None:
        """Work in, outcomes out, until the front end closes the connection; then its work is cancelled."""
        events: asyncio.Queue[pb.RunEvent | None] = asyncio.Queue()
        stream = RunStream(
            f"run{next(self._stream_numbers)}",
            self._submitter,
            AudioStore(self._max_audio_bytes),
            events.put_nowait,  # bounded by the window that the front end keeps
        )
        reading = asyncio.create_task(self._read(frames, stream, events))
        try:
            with contextlib.suppress(ConnectionError):
                async for ready in together(events):
                    await frames.write(pb.RunResponse(events=ready).SerializeToString())
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            stream.close()
            await frames.close()

    async def _read(
        self, frames: Frames, stream: RunStream, events: "asyncio.Queue[pb.RunEvent | None]"
    ) -> None:
        asked: set[asyncio.Task[None]] = set()
        try:
            while (message := await frames.read()) is not None:
                for command in pb.RunRequest.FromString(message).commands:
                    if command.HasField("call"):
                        task = asyncio.create_task(self._answer(command.call, events))
                        asked.add(task)
                        task.add_done_callback(asked.discard)
                    else:
                        stream.handle(command)
        except Exception:
            logger.exception("the connection of the front end failed")
        finally:
            for task in asked:
                task.cancel()
            events.put_nowait(None)

    async def _answer(self, call: pb.Call, events: "asyncio.Queue[pb.RunEvent | None]") -> None:
        events.put_nowait(pb.RunEvent(answer=await self._calls.answer(call)))


async def together(
    events: "asyncio.Queue[pb.RunEvent | None]",
) -> AsyncIterator[list[pb.RunEvent]]:
    """The events up to None, each with those that were ready by then."""
    event = await events.get()
    while event is not None:
        ready = [event]
        while not events.empty() and (event := events.get_nowait()) is not None:
            ready.append(event)
        yield ready
        event = event and await events.get()
