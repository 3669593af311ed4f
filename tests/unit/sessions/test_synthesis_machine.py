"""SynthesisSession under random clients and devices. SpeechDrive holds the invariants."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speech_service.domain.errors import InternalError
from speech_service.domain.events import ContextEnded, ContextOutcome, SpeechSamples, SpeechTimings
from speech_service.sessions.synthesis.context import SynthesisLimits
from tests.unit.sessions.speech_drive import SpeechDrive

IDS = st.sampled_from(["", "a", "b"])
TEXTS = st.sampled_from(
    ["One two. ", "and so", " on. ", "Dr. Who came", "!? ", "3.14 is it. ", "\n", "你好。"]
)
PICK = st.integers(0, 1_000)
LIMITS = SynthesisLimits(ahead_ms=600, max_contexts=1_000)


class SynthesisMachine(RuleBasedStateMachine):
    """Client and device act in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.drive = SpeechDrive(limits=LIMITS)
        self.count = 0
        self.ended = False

    def name(self) -> str:
        self.count += 1
        return str(self.count)

    @precondition(lambda self: not self.ended)
    @rule(context_id=IDS, text=TEXTS)
    def text(self, context_id: str, text: str) -> None:
        self.drive.text(text, context_id)

    @precondition(lambda self: not self.ended)
    @rule(context_id=IDS)
    def flush(self, context_id: str) -> None:
        self.drive.flush(context_id, self.name())

    @precondition(lambda self: not self.ended)
    @rule(context_id=IDS)
    def flush_open(self, context_id: str) -> None:
        self.drive.flush_open(context_id, self.name())

    @precondition(lambda self: not self.ended)
    @rule(context_id=IDS)
    def cancel(self, context_id: str) -> None:
        self.drive.cancel(context_id, self.name())
        assert not self.drive.on_device or context_id

    @precondition(lambda self: self.drive.on_device)
    @rule(pick=PICK, ms=st.sampled_from([0, 50, 300]))
    def audio(self, pick: int, ms: int) -> None:
        self.drive.audio(self.drive.waiting[pick % len(self.drive.waiting)], ms)

    @precondition(lambda self: self.drive.on_device)
    @rule(pick=PICK, fails=st.sampled_from([False, False, False, True]))
    def done(self, pick: int, fails: bool) -> None:
        work = self.drive.waiting[pick % len(self.drive.waiting)]
        if fails:
            self.drive.failed(work, InternalError("x"))
        else:
            self.drive.done(work)

    @rule(count=st.integers(1, 5))
    def read(self, count: int) -> None:
        self.drive.read(count)

    @precondition(lambda self: not self.ended)
    @rule(really=st.sampled_from([False, False, False, True]))
    def end(self, really: bool) -> None:
        if really:
            self.ended = True
            self.drive.end()

    @invariant()
    def every_control_but_a_flush_that_keeps_its_context_is_acknowledged_at_once(self) -> None:
        assert self.drive.acked == self.drive.controls

    @invariant()
    def a_flush_waits_for_nothing_but_speech(self) -> None:
        busy = {work.work_id for work in self.drive.waiting}
        assert busy or not self.drive.keeping or self.drive.session.unsent_ms >= LIMITS.ahead_ms

    @invariant()
    def audio_ahead_is_bounded(self) -> None:
        assert self.drive.session.unsent_ms < 100_000

    def teardown(self) -> None:
        """Whatever happened, the rest is spoken and the session ends well."""
        self.drive.end().speak_all()
        assert self.drive.finished == [None]
        assert not self.drive.on_device
        assert not self.drive.keeping
        opened = {
            event.owner.turn
            for event in self.drive.events
            if isinstance(event, SpeechSamples | SpeechTimings | ContextEnded)
        }
        assert opened == set(self.drive.ends)
        assert set(self.drive.ends.values()) <= set(ContextOutcome)


TestSynthesisMachine = SynthesisMachine.TestCase
TestSynthesisMachine.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
