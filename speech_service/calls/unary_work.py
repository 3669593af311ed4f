"""Work that a call waits for, item by item: submitted, counted, and given up when the call ends."""

import asyncio
import itertools
import time
from collections.abc import Sequence

from speech_service.calls.session_tools import SessionTools
from speech_service.calls.trace import SessionTrace
from speech_service.dispatch.policy import effective_class
from speech_service.domain.call import Call, CallMode
from speech_service.domain.errors import CancelledWorkError, SpeechError
from speech_service.domain.events import LatencySummary
from speech_service.domain.translation import LanguageGuess, Translation, TranslationRoute
from speech_service.domain.work import (
    IdentifyWork,
    LanguagesFound,
    Outcome,
    TranslateWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.sessions.latency import LatencyMeter


class WorkDesk:
    """Of one unary call. ``close`` when it is over."""

    def __init__(self, tools: SessionTools, call: Call) -> None:
        call.opened(call.model)
        self._submitter = tools.submitter
        self._stream_id = call.session_id
        self._class = effective_class(call.priority, WorkClass.UNARY)
        self._deadline_s = call.deadline_s
        self._trace = SessionTrace(call, CallMode.UNARY, tools.tracer, tools.observer)
        self._meter = LatencyMeter(time.monotonic)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[WorkEvent]] = {}
        self._closed = False
        call.when_over(self.close)

    @property
    def is_closed(self) -> bool:
        """The call is over."""
        return self._closed

    @property
    def latency(self) -> LatencySummary:
        """How long everything took so far."""
        return self._meter.summary()

    async def translate(
        self, route: TranslationRoute, texts: Sequence[str], source: str, target: str, context: str
    ) -> Translation:
        """Translate texts in one work item.

        Raises:
            SpeechError: none of them could be translated.
        """
        work = TranslateWork(
            work_id=self._new_id(),
            stream_id=self._stream_id,
            work_class=self._class,
            model=route.model,
            deadline_s=self._deadline_s,
            texts=tuple(texts),
            source_language=source,
            target_language=target,
            glossary=route.glossary,
            context=context,
        )
        outcome = await self._run(work)
        assert isinstance(outcome, Translation), "a translator translates"
        return outcome

    async def identify(
        self, model: str, texts: Sequence[str]
    ) -> tuple[tuple[LanguageGuess, ...], ...]:
        """Say which language each text is in.

        Raises:
            SpeechError: the identifier failed.
        """
        work = IdentifyWork(
            work_id=self._new_id(),
            stream_id=self._stream_id,
            work_class=self._class,
            model=model,
            deadline_s=self._deadline_s,
            texts=tuple(texts),
        )
        outcome = await self._run(work)
        assert isinstance(outcome, LanguagesFound), "an identifier identifies"
        return outcome.guesses

    def close(self) -> None:
        """Give up what is open. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(_over())
        self._submitter.release(self._stream_id)
        self._trace.close()

    def _new_id(self) -> str:
        return f"{self._stream_id}:d{next(self._numbers)}"

    async def _run(self, work: Work) -> Outcome:
        if self._closed:
            raise _over()
        future: asyncio.Future[WorkEvent] = asyncio.get_running_loop().create_future()
        self._waiting[work.work_id] = future
        self._trace.submitted(work)

        def on_event(event: WorkEvent) -> None:
            if not isinstance(event, WorkAudio) and not future.done():
                future.set_result(event)

        try:
            self._submitter.submit(work, on_event)
            event = await future
        except BaseException:
            self._submitter.cancel(work.work_id)
            raise
        finally:
            del self._waiting[work.work_id]
        self._trace.work_event(event)
        if isinstance(event, WorkDone):
            self._meter.work_done(event.timing)
            return event.outcome
        raise event.error if isinstance(event, WorkFailed) else _over()


def _over() -> SpeechError:
    return CancelledWorkError("the call is over")
