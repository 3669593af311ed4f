"""Questions to a worker beside its work: each has a number, and one answer."""

import asyncio
import itertools
from collections.abc import Callable

from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers import wire_errors


class Calls:
    """The questions that wait for their answers. Event loop only."""

    def __init__(self, send: Callable[[pb.RunCommand], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[pb.Answer]] = {}
        self._closed = False

    async def ask(self, call: pb.Call) -> pb.Answer:
        """Send the question, which gets its number here, and wait for the answer, for as long as it takes.

        Raises:
            SpeechError: what the worker says went wrong.
            ConnectionError: the worker is gone, or goes meanwhile.
        """
        if self._closed:
            raise ConnectionError("the worker is gone")
        number = call.call_id = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send(pb.RunCommand(call=call))
        try:
            return await answer
        finally:
            del self._waiting[number]

    def answered(self, answer: pb.Answer) -> None:
        """The worker answered; nobody may wait for it any more."""
        waiting = self._waiting.get(answer.call_id)
        if waiting is None or waiting.done():
            return
        if answer.HasField("failed"):
            waiting.set_exception(wire_errors.decode_error(answer.failed))
        else:
            waiting.set_result(answer)

    def close(self) -> None:
        """No answer comes any more."""
        self._closed = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the worker is gone"))
