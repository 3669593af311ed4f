"""A coroutine that runs at once up to where it first has to wait: an eager task of Python 3.12, without the task."""

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Begun(Awaitable[T], Generic[T]):
    """Await it once, in the task that made it; what it waits for goes on meanwhile.

    Raises, when it is made: what the coroutine raised before it had to wait.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._waits_for: Any = None
        self._result: T | None = None
        self._ended = False
        self._go_on(None)

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the rest."""
        while not self._ended:
            try:
                answer = yield self._waits_for
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
                self._go_on(error)
            else:
                self._go_on(answer)
        return cast("T", self._result)

    def abandon(self) -> None:
        """Nobody will await it: what it waits for may fail unheard, and it goes no further."""
        if self._ended:
            return
        if asyncio.isfuture(self._waits_for):
            self._waits_for.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._ended = True
        self._coroutine.close()

    def _go_on(self, answer: object) -> None:
        """Run on to where it waits next, or to its end."""
        try:
            if isinstance(answer, BaseException):
                self._waits_for = self._coroutine.throw(answer)
            else:
                self._waits_for = self._coroutine.send(answer)
        except StopIteration as end:
            self._result, self._ended = end.value, True
