"""What a worker does for its front end: a connection of work, and of questions beside it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from speech_service.config.tree import ObservabilityConfig
from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.dispatch.workers.messages import LogChanged, Question
from speech_service.protocols import Submitter
from speech_service.worker.answers import Answers
from speech_service.worker.audio_store import AudioStore
from speech_service.worker.run_stream import RunStream

logger = logging.getLogger(__name__)

Outgoing = asyncio.Queue[bytes | None]
"""Encoded messages for the front end; None: no more come. Bounded by the window that the front end keeps."""


class WorkerService:
    """Serves one front end: the process that spawned this one."""

    def __init__(
        self,
        submitter: Submitter,
        answers: Answers,
        max_audio_bytes: int,
        change_log: Callable[[ObservabilityConfig], None],
    ) -> None:
        self._submitter = submitter
        self._answers = answers
        self._change_log = change_log
        self._max_audio_bytes = max_audio_bytes

    async def run(self, frames: FrameSocket) -> None:
        """Work in, outcomes out, until the front end closes the connection; then its work is cancelled."""
        outgoing: Outgoing = asyncio.Queue()
        audio = AudioStore(self._max_audio_bytes)
        stream = RunStream(self._submitter, audio, outgoing.put_nowait)
        reading = asyncio.create_task(self._read(frames, stream, outgoing))
        try:
            with contextlib.suppress(ConnectionError):
                async for ready in together(outgoing):
                    for frame in codec.frames(ready):
                        await frames.write(frame)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            stream.close()
            await frames.close()

    async def _read(self, frames: FrameSocket, stream: RunStream, outgoing: Outgoing) -> None:
        asked: set[asyncio.Task[None]] = set()
        try:
            while (frame := await frames.read()) is not None:
                for message in messages.read_to_worker(frame):
                    match message:
                        case Question():
                            task = asyncio.create_task(self._answer(message, outgoing))
                            asked.add(task)
                            task.add_done_callback(asked.discard)
                        case LogChanged(observability=observability):
                            self._change_log(observability)
                        case _:
                            stream.handle(message)
        except Exception:
            logger.exception("the connection of the front end failed")
        finally:
            for task in asked:
                task.cancel()
            outgoing.put_nowait(None)

    async def _answer(self, question: Question, outgoing: Outgoing) -> None:
        outgoing.put_nowait(codec.encode(await self._answers.answer(question)))


async def together(outgoing: Outgoing) -> AsyncIterator[list[bytes]]:
    """The messages up to None, each with those that were ready by then."""
    message = await outgoing.get()
    while message is not None:
        ready = [message]
        while not outgoing.empty() and (message := outgoing.get_nowait()) is not None:
            ready.append(message)
        yield ready
        message = message and await outgoing.get()
