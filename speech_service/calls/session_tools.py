"""What sessions of every kind are driven with."""

from dataclasses import dataclass

from speech_service.calls.driver import AnySession, Event, OnEvent, SessionRunner
from speech_service.calls.trace import SessionTrace
from speech_service.domain.call import Call
from speech_service.domain.recognition import Pacing
from speech_service.protocols import Observer, Submitter, Tracer, Vad


@dataclass(frozen=True, slots=True)
class SessionTools:
    """The way to the device, the ear, and who is told of what happens."""

    submitter: Submitter
    vad: Vad
    observer: Observer
    tracer: Tracer

    def runner(
        self, session: AnySession, call: Call, pacing: Pacing | None, on_event: OnEvent[Event]
    ) -> SessionRunner[AnySession, Event]:
        """Drive a session of ``call``; ``pacing`` is that of its audio, None where it has none."""
        call.pacing = pacing
        trace = SessionTrace(call, call.mode(pacing), self.tracer, self.observer)
        return SessionRunner(session, self.submitter, self.vad, trace, on_event)
