"""Questions to a worker beside its work: each has a number, and one answer."""

import asyncio
import itertools
from collections.abc import Callable
from typing import TypeVar

from speech_service.dispatch.workers import codec
from speech_service.dispatch.workers.messages import (
    Answered,
    Asked,
    Question,
    QuestionFailed,
    Reply,
    ToWorker,
)

A = TypeVar("A", bound=Answered)


class Questions:
    """The questions that wait for their answers. Event loop only."""

    def __init__(self, send: Callable[[ToWorker], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._closed = False

    async def ask(self, asked: Asked, answer: type[A]) -> A:
        """Send the question and wait for its answer, of the type ``answer``, for as long as it takes.

        Raises:
            SpeechError: what the worker says went wrong.
            ConnectionError: the worker is gone, goes meanwhile, or answers something else.
        """
        if self._closed:
            raise ConnectionError("the worker is gone")
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send(Question(number, asked))
        try:
            answered = await waiting
        finally:
            del self._waiting[number]
        if isinstance(answered, QuestionFailed):
            raise codec.unpack_error(answered.error)
        if not isinstance(answered, answer):
            raise ConnectionError("the worker answers what it was not asked")
        return answered

    def answered(self, reply: Reply) -> None:
        """The worker answered; nobody may wait for it any more."""
        waiting = self._waiting.get(reply.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply.answer)

    def close(self) -> None:
        """No answer comes any more."""
        self._closed = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the worker is gone"))
