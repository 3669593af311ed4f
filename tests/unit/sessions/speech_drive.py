"""Drives a SynthesisSession by hand: a scripted client, device and output. What must always hold is checked here."""

from collections import Counter

import numpy as np

from speech_service.domain.alignment import Alignment
from speech_service.domain.errors import SpeechError
from speech_service.domain.events import (
    Cancel,
    ContextEnded,
    ContextOutcome,
    ControlAck,
    Emit,
    Finish,
    SessionEnded,
    SpeechSamples,
    SpeechTimings,
    StreamWarning,
    Submit,
)
from speech_service.domain.synthesis import (
    OutputEncoding,
    OutputFormat,
    SpeechFinish,
    SpokenWord,
    SynthesisOptions,
)
from speech_service.domain.work import (
    AlignWork,
    SpeechMade,
    SynthesizeWork,
    WorkAudio,
    WorkDone,
    WorkFailed,
    WorkTiming,
)
from speech_service.sessions.synthesis.context import SynthesisIdentity, SynthesisLimits
from speech_service.sessions.synthesis.events import SynthesisAction, SynthesisEvent
from speech_service.sessions.synthesis.session import MAX_ON_DEVICE, SynthesisSession

RATE = 1_000
"""One sample is one millisecond."""
OPTIONS = SynthesisOptions(
    "model", "voice", OutputFormat(OutputEncoding.PCM_S16LE, 8_000), language="en"
)


class SpeechDrive:
    """A session, what it asked for, and what the client got."""

    def __init__(
        self,
        options: SynthesisOptions = OPTIONS,
        limits: SynthesisLimits | None = None,
        *,
        single: bool = False,
        tries: int = 1,
    ) -> None:
        self.now_s = 0.0
        identity = SynthesisIdentity("s", single=single, tries=tries)
        self.session = SynthesisSession(identity, options, lambda: self.now_s, limits)
        self.events: list[SynthesisEvent] = []
        self.submitted: list[SynthesizeWork] = []
        self.on_device: dict[str, SynthesizeWork] = {}
        self.aligning: dict[str, AlignWork] = {}
        self.cancelled: list[str] = []
        self.finished: list[SpeechError | None] = []
        self.ends: dict[int, ContextOutcome] = {}
        self.acked: list[str] = []
        self.controls: list[str] = []
        self.keeping: dict[str, str] = {}
        """Flushes that keep their context and wait for their acks: the context of each."""
        self.taken = 0
        """Events that the client has read."""
        self.perform(self.session.start())

    # --- the client ---

    def text(self, text: str, context_id: str = "a") -> "SpeechDrive":
        return self.perform(self.session.text(context_id, text))

    def flush(self, context_id: str = "a", control_id: str = "f") -> "SpeechDrive":
        self.controls.append(control_id)
        return self.perform(self.session.flush(context_id, control_id))

    def flush_open(self, context_id: str = "a", control_id: str = "k") -> "SpeechDrive":
        """Flush a context and keep it."""
        self.keeping[control_id] = context_id
        return self.perform(self.session.flush(context_id, control_id, keep_open=True))

    def cancel(self, context_id: str = "a", control_id: str = "c") -> "SpeechDrive":
        self.controls.append(control_id)
        return self.perform(self.session.cancel(context_id, control_id))

    def end(self) -> "SpeechDrive":
        return self.perform(self.session.end_of_text())

    def read(self, count: int = 1_000_000) -> "SpeechDrive":
        """The client takes so many events."""
        while count and self.taken < len(self.events):
            event = self.events[self.taken]
            self.taken, count = self.taken + 1, count - 1
            if isinstance(event, SpeechSamples):
                self.perform(self.session.sent(event.owner.turn, len(event.samples)))
            elif isinstance(event, ContextEnded):
                self.perform(self.session.end_sent(event.owner.turn))
            elif isinstance(event, SessionEnded):
                self.perform(self.session.delivered())
        return self

    # --- the device ---

    def audio(self, work: SynthesizeWork, ms: int = 100) -> "SpeechDrive":
        return self.perform(
            self.session.work_event(WorkAudio(work.work_id, np.ones(ms, np.float32), RATE))
        )

    def done(self, work: SynthesizeWork, words: tuple[SpokenWord, ...] = ()) -> "SpeechDrive":
        self.on_device.pop(work.work_id)
        made = SpeechMade(RATE, words)
        return self.perform(self.session.work_event(WorkDone(work.work_id, made, WorkTiming())))

    def cut(self, work: SynthesizeWork) -> "SpeechDrive":
        """The model was stopped at its limit."""
        self.on_device.pop(work.work_id)
        made = SpeechMade(RATE, finish=SpeechFinish.LENGTH_LIMIT)
        return self.perform(self.session.work_event(WorkDone(work.work_id, made, WorkTiming())))

    def failed(self, work: SynthesizeWork, error: SpeechError) -> "SpeechDrive":
        self.on_device.pop(work.work_id)
        return self.perform(self.session.work_event(WorkFailed(work.work_id, error)))

    def aligned(self, work: AlignWork, outcome: Alignment | SpeechError) -> "SpeechDrive":
        del self.aligning[work.work_id]
        event = (
            WorkDone(work.work_id, outcome, WorkTiming())
            if isinstance(outcome, Alignment)
            else WorkFailed(work.work_id, outcome)
        )
        return self.perform(self.session.work_event(event))

    def speak_all(self, ms: int = 100) -> "SpeechDrive":
        """Speak and read until nothing is left."""
        while self.read().on_device:
            work = next(iter(self.on_device.values()))
            self.audio(work, ms).done(work)
        return self

    # --- what it did ---

    @property
    def waiting(self) -> list[SynthesizeWork]:
        return list(self.on_device.values())

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def of(self, kind: type) -> list[SynthesisEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def spoken_ms(self, context_id: str = "a") -> int:
        return sum(
            len(e.samples)
            for e in self.events
            if isinstance(e, SpeechSamples) and e.owner.context_id == context_id
        )

    def warnings(self) -> list[str]:
        return [e.reason for e in self.events if isinstance(e, StreamWarning)]

    def timings(self) -> list[SpeechTimings]:
        return [e for e in self.events if isinstance(e, SpeechTimings)]

    def outcomes(self) -> list[tuple[str, str]]:
        return [
            (e.owner.context_id, e.outcome.value)
            for e in self.events
            if isinstance(e, ContextEnded)
        ]

    def perform(self, actions: list[SynthesisAction]) -> "SpeechDrive":
        """Carry actions out, and check what must hold of each."""
        for action in actions:
            assert not self.finished, "nothing comes after the end"
            match action:
                case Submit(AlignWork() as work):
                    self.aligning[work.work_id] = work
                case Submit(work):
                    assert isinstance(work, SynthesizeWork)
                    assert work.work_id not in {w.work_id for w in self.submitted}
                    assert any(c.isalnum() for c in work.text)
                    self.submitted.append(work)
                    self.on_device[work.work_id] = work
                case Cancel(work_id):
                    running = self.aligning if work_id in self.aligning else self.on_device
                    assert work_id in running, "only work that runs is cancelled"
                    del running[work_id]
                    self.cancelled.append(work_id)
                case Emit(event):
                    self._event(event)
                case Finish(error):
                    self.finished.append(error)
                case _:
                    raise AssertionError(action)
        assert len(self.on_device) <= MAX_ON_DEVICE
        return self

    def _event(self, event: SynthesisEvent) -> None:
        self.events.append(event)
        match event:
            case SpeechSamples(owner=owner) | SpeechTimings(owner=owner):
                assert owner.turn not in self.ends, "a context is silent after its end"
            case ContextEnded(owner=owner, outcome=outcome):
                turn = owner.turn
                # Only a context whose good end the client does not have yet may end again.
                before = self.ends.get(turn)
                assert before is None or (
                    before is ContextOutcome.DONE and outcome is not ContextOutcome.DONE
                )
                self.ends[turn] = outcome
                assert (event.error is not None) == (outcome is ContextOutcome.FAILED)
            case ControlAck(control_id=control_id) if control_id in self.keeping:
                assert event.context_id == self.keeping.pop(control_id)
            case ControlAck(control_id=control_id):
                self.acked.append(control_id)
                assert self.controls[: len(self.acked)] == self.acked, "acks come in order"
            case _:
                assert Counter(self.kinds())["SessionEnded"] <= 1
