"""Carries out what a session asks for: detect, submit, cancel, emit, finish.

One runner per session, on the event loop. Detection is awaited in order with the audio it belongs to; work events
come back at any time and are handled at once. Spans and metrics of a session are recorded here, because here pass
its work, its results and its end.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar, cast

from loguru import logger

from speech_service.calls.trace import SessionTrace
from speech_service.domain.audio import Samples
from speech_service.domain.errors import InternalError, OverloadedError, SpeechError
from speech_service.domain.events import (
    Action,
    Cancel,
    Detect,
    Emit,
    Finish,
    SessionEnded,
    Step,
    Submit,
)
from speech_service.domain.work import (
    DropReason,
    RecognizeWork,
    Work,
    WorkAudio,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import Submitter, Vad, VadStream

Event = TypeVar("Event")
Event_co = TypeVar("Event_co", covariant=True)
OnEvent = Callable[[Event], None]


class Session(Protocol[Event_co]):
    """What a driver needs of every session. A session does no I/O: it takes events and returns actions.

    The events that it tells its client are of one union.
    """

    @property
    def undecoded_ms(self) -> int:
        """Audio that the session has and that waits for the device; reading stops above a limit."""
        ...

    def work_event(self, event: WorkEvent) -> Sequence[Action[Event_co]]:
        """Take an event of submitted work."""
        ...

    def tick(self) -> Sequence[Action[Event_co]]:
        """Time passed: report progress, or give up."""
        ...

    @property
    def wake_at_s(self) -> float | None:
        """When ``wake`` is to be called, by the loop's clock, if nothing happens before; None: never."""
        ...

    def wake(self) -> Sequence[Step[Event_co]]:
        """It is as late as ``wake_at_s`` said."""
        ...

    def going_away(self, drain_ms: int) -> Sequence[Action[Event_co]]:
        """The server drains."""
        ...

    def last_words(self) -> Sequence[Action[Event_co]]:
        """What is ready and waits for what is not: it leaves out of turn. ``fail`` comes next."""
        ...

    def fail(self, error: SpeechError) -> Sequence[Action[Event_co]]:
        """End with an error; after the end nothing is returned."""
        ...

    def ended(self) -> SessionEnded:
        """What was used, and how long it took, so far."""
        ...


class ListeningSession(Session[Event_co], Protocol):
    """A session that asks for voice activity detection."""

    def probabilities(self, probabilities: Samples) -> Sequence[Action[Event_co]]:
        """The answer to the oldest open ``Detect``."""
        ...

    def catch_up(self) -> Sequence[Step[Event_co]]:
        """Detect in the audio that waits because nothing could happen in it."""
        ...


AnySession = TypeVar("AnySession", bound=Session[Any])


class SessionRunner(Generic[AnySession, Event]):
    """Drives one session, whose events go to ``on_event``.

    ``finished`` resolves when the session ends: to None when it ended well, else to the error.
    ``changed`` is set after anything happened that may relieve back-pressure.
    ``readable`` is set while the client's next message would be read: no silence of the client's can be told before.
    ``turn`` is held while one message is carried out, where several tasks feed the session.
    """

    def __init__(
        self,
        session: AnySession,
        submitter: Submitter,
        vad: Vad,
        trace: SessionTrace,
        on_event: OnEvent[Event],
    ) -> None:
        self.session = session
        self.finished: asyncio.Future[SpeechError | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.changed = asyncio.Event()
        self.readable = asyncio.Event()
        self.readable.set()
        self.turn = asyncio.Lock()
        self._submitter = submitter
        self._vad = vad
        self._vad_streams: dict[int, VadStream] = {}
        self._trace = trace
        self._on_event = on_event
        self._open_work: set[str] = set()
        self._closed = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0
        self._waking: asyncio.Task[None] | None = None

    async def perform(self, actions: Sequence[Step[Event]]) -> None:
        """Carry out ``actions`` in order; a ``Detect`` is answered, and its consequences carried out, in place."""
        for action in actions:
            if isinstance(action, Detect):
                probabilities = await self._detect(action)
                session = cast("ListeningSession[Event]", self.session)
                self.perform_now(session.probabilities(probabilities))
            else:
                self._one(action)
        self._set_alarm()

    async def catch_up(self) -> None:
        """Let a listening session hear all its audio: before anything but more audio is given to it."""
        await self.perform(cast("ListeningSession[Event]", self.session).catch_up())

    def perform_now(self, actions: Sequence[Action[Event]]) -> None:
        """Carry out actions that wait for nothing."""
        for action in actions:
            self._one(action)
        self._set_alarm()

    def give_up(self, error: SpeechError) -> None:
        """``close``, after all that the session has ready: nobody waits for the rest."""
        if not self._closed:
            self.perform_now(self.session.last_words())
        self.close(error)

    def close(self, error: SpeechError | None) -> None:
        """End the session from outside (the client is gone, say) and forget its stream. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if error is not None:
            self.perform_now(self.session.fail(error))
        if not self.finished.done():
            self.finished.set_result(error)
        for work_id in self._open_work:
            self._submitter.cancel(work_id)
        self._open_work.clear()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._waking is not None and self._waking is not asyncio.current_task():
            self._waking.cancel()
        self._submitter.release(self._trace.session_id)
        self._trace.close()

    def _set_alarm(self) -> None:
        """One alarm is enough: one that rings too early is set again, which is cheaper than with every message."""
        at_s = None if self.finished.done() or self._waking else self.session.wake_at_s
        if at_s is None or (self._alarm is not None and self._alarm_s <= at_s):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(at_s, self._ring)
        self._alarm_s = at_s

    def _ring(self) -> None:
        self._alarm = None
        at_s = None if self.finished.done() else self.session.wake_at_s
        loop = asyncio.get_running_loop()
        if at_s is not None and at_s <= loop.time():
            self._waking = loop.create_task(self._wake())
        else:
            self._set_alarm()

    async def _wake(self) -> None:
        try:
            await self.readable.wait()
            async with self.turn:
                await self.perform(self.session.wake())
        except SpeechError as error:
            self.close(error)
        except Exception as error:  # noqa: BLE001 - a bug must end this stream only, and be logged
            logger.opt(exception=error).error("session {} failed", self._trace.session_id)
            self.close(InternalError("the session failed; the log above says how"))
        finally:
            self._waking = None
        self._set_alarm()

    async def _detect(self, action: Detect) -> Samples:
        stream = self._vad_streams.get(action.channel)
        if stream is None:
            stream = self._vad_streams[action.channel] = self._vad.open()
        started_s = time.time()
        probabilities = await stream.probabilities(action.frames)
        self._trace.detected(started_s)
        return probabilities

    def _one(self, action: Action[Event]) -> None:
        if self.finished.done() and not isinstance(action, Cancel):
            return  # an earlier action of the list ended the session
        match action:
            case Submit(work):
                self._submit(work)
            case Cancel(work_id):
                self._submitter.cancel(work_id)
            case Emit(event):
                self._trace.event(event)
                self._on_event(event)
            case Finish(error):
                if not self.finished.done():
                    self.finished.set_result(error)

    def _submit(self, work: Work) -> None:
        work = replace(work, traceparent=self._trace.submitted(work))
        self._open_work.add(work.work_id)
        try:
            self._submitter.submit(work, self._work_event)
        except OverloadedError as error:
            if work.supersede_key is not None:
                # A partial is worth less than the room it takes; the next one comes with newer audio.
                self._work_event(WorkDropped(work.work_id, DropReason.SUPERSEDED))
                return
            self._refused(work, error)
        except SpeechError as error:
            self._refused(work, error)

    def _refused(self, work: Work, error: SpeechError) -> None:
        """Recognition cannot go on without its work; other work fails by itself, after what is being carried out."""
        if not isinstance(work, RecognizeWork):
            loop = asyncio.get_running_loop()
            loop.call_soon(self._work_event, WorkFailed(work.work_id, error))
            return
        self._open_work.discard(work.work_id)
        self.perform_now(self.session.fail(error))

    def _work_event(self, event: WorkEvent) -> None:
        if not isinstance(event, WorkAudio):
            self._open_work.discard(event.work_id)
        self._trace.work_event(event)
        logger.trace("work {} ended: {}", event.work_id, type(event).__name__)
        self.perform_now(self.session.work_event(event))
        self.changed.set()
