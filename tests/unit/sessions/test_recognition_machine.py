"""RecognitionSession under random clients, voice activity and devices. Drive holds the invariants (DESIGN §10)."""

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from speech_service.domain.errors import InternalError
from speech_service.domain.recognition import (
    Endpointing,
    EndpointingMode,
    Pacing,
    RecognitionOptions,
)
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeKind,
    RecognizeWork,
    WorkDone,
    WorkTiming,
)
from tests.unit.sessions.drive import Drive

SCORES = (0.02, 0.4, 0.95)
"""Silence; speech only where speech goes on; speech."""
PICK = st.integers(0, 1_000)
ENDPOINTINGS = st.builds(
    Endpointing,
    mode=st.sampled_from(EndpointingMode),
    min_speech_ms=st.sampled_from([32, 96]),
    end_silence_ms=st.sampled_from([200, 400, 700]),
    max_segment_ms=st.sampled_from([1_500, 3_000]),
    soft_segment_ms=st.sampled_from([900, 1_500]),
    padding_ms=st.sampled_from([0, 100, 300]),
)
OPTIONS = st.builds(
    RecognitionOptions,
    model=st.just("scripted"),
    language=st.just("en"),
    context=st.sampled_from(["", "names"]),
    endpointing=ENDPOINTINGS,
    pacing=st.sampled_from(Pacing),
    partial_results=st.booleans(),
    partial_interval_ms=st.sampled_from([100, 500]),
)
TEXTS = st.lists(st.sampled_from("abc"), max_size=6).map(" ".join)


class RecognitionMachine(RuleBasedStateMachine):
    """Client, voice activity and device act in any order; every action is checked as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.drive: Drive | None = None
        self.ending = False
        self.expected_error: InternalError | None = None

    @initialize(options=OPTIONS, channels=st.integers(1, 3), unary=st.booleans())
    def open(self, options: RecognitionOptions, channels: int, unary: bool) -> None:
        """A stream begins."""
        self.drive = Drive(options, channels, unary=unary)

    @property
    def it(self) -> Drive:
        """The session's driver."""
        assert self.drive is not None
        return self.drive

    def running(self) -> bool:
        """The client may still send."""
        return self.drive is not None and not self.ending and self.drive.finish is None

    def computing(self) -> bool:
        """The device has work."""
        return self.drive is not None and bool(self.drive.in_flight)

    # --- the client ---

    @precondition(running)
    @rule(
        samples=st.one_of(st.integers(0, 2_000), st.sampled_from([511, 512, 513, 8_000, 20_000])),
        scores=st.lists(st.sampled_from(SCORES), min_size=1, max_size=4),
        stretch=st.integers(1, 20),
    )
    def audio(self, samples: int, scores: list[float], stretch: int) -> None:
        """Audio of any size; each score holds for ``stretch`` frames, channels are out of step."""
        self.it.hears(
            lambda channel, frames: [
                scores[(i // stretch + channel) % len(scores)] for i in range(len(frames))
            ]
        )
        self.it.audio(samples)

    @precondition(running)
    @rule(samples=st.integers(4_000, 16_000))
    def speech(self, samples: int) -> None:
        """Plain speech, so that segments are common."""
        self.it.hears(lambda _, frames: [0.95] * len(frames))
        self.it.audio(samples)

    @precondition(running)
    @rule(quiet=st.integers(4_600, 8_000), speech=st.integers(1_600, 6_000), text=TEXTS)
    def pause_and_go_on(self, quiet: int, speech: int, text: str) -> None:
        """A pause long enough that a FINAL is computed ahead, and then more speech."""
        self.speech(8_000)
        self.it.hears(lambda _, frames: [0.02] * len(frames))
        self.it.audio(quiet)
        for work in self.it.waiting(RecognizeKind.FINAL):
            self.it.done(work, text)
        self.speech(speech)

    @precondition(running)
    @rule(
        texts=st.lists(st.sampled_from(["a b", "a b c", "a b c d", "x"]), min_size=4, max_size=7),
        swap=st.booleans(),
    )
    def turn_with_partials(self, texts: list[str], swap: bool) -> None:
        """One update after the other, answered in order or two at a time and the newer one first."""
        for number, text in enumerate(texts):
            self.speech(4_000)
            partials = self.it.waiting(RecognizeKind.PARTIAL)
            if not swap or number % 2:
                for work in reversed(partials):
                    self.it.done(work, text if work is partials[-1] else f"{text} old")

    @precondition(running)
    @rule(ms=st.one_of(st.integers(1, 900), st.sampled_from([1, 5_000, 60_000])))
    def silence(self, ms: int) -> None:
        """A silence message."""
        self.it.silence(ms)

    @precondition(running)
    @rule()
    def finalize(self) -> None:
        """A finalize message."""
        self.it.finalize()

    @precondition(running)
    @rule(keep=st.booleans())
    def reset(self, keep: bool) -> None:
        """A reset message."""
        self.it.reset(keep_context=keep)

    @precondition(running)
    @rule(options=OPTIONS)
    def update(self, options: RecognitionOptions) -> None:
        """An update_config message; pacing cannot change."""
        self.it.update(replace(options, pacing=self.it.session.options.pacing))

    @precondition(lambda self: self.running() and self.it.position > 40_000)
    @rule()
    def end(self) -> None:
        """The end of the audio."""
        self.ending = True
        self.it.end()

    # --- the device ---

    def pick(self, index: int) -> RecognizeWork:
        """Any work in flight: the device keeps no order."""
        waiting = self.it.waiting()
        return waiting[index % len(waiting)]

    @precondition(computing)
    @rule(index=PICK, text=TEXTS, seconds=st.floats(0, 2))
    def answer(self, index: int, text: str, seconds: float) -> None:
        """RecognizeWork is done, after a while."""
        self.it.now_s += seconds
        self.it.done(self.pick(index), text)

    @precondition(computing)
    @rule(index=PICK, words=st.integers(0, 8))
    def answer_steadily(self, index: int, words: int) -> None:
        """RecognizeWork is done, and its text agrees with others, so that prefixes become stable."""
        self.it.done(self.pick(index), " ".join("abcdefgh"[:words]))

    @precondition(computing)
    @rule(index=PICK, reason=st.sampled_from([*DropReason, None]))
    def lose_a_partial(self, index: int, reason: DropReason | None) -> None:
        """A partial is dropped, or fails."""
        partials = self.it.waiting(RecognizeKind.PARTIAL)
        if partials and reason is not None:
            self.it.dropped(partials[index % len(partials)], reason)
        elif partials:
            self.it.failed(partials[index % len(partials)], InternalError("a partial"))

    @precondition(lambda self: self.drive is not None and bool(self.drive.cancelled))
    @rule(index=PICK, text=TEXTS)
    def answer_late(self, index: int, text: str) -> None:
        """RecognizeWork that was given up is done all the same."""
        work = self.it.cancelled.pop(index % len(self.it.cancelled))
        sent = len(self.it.events)
        event = WorkDone(work.work_id, Hypothesis(text), WorkTiming())
        assert self.it.session.work_event(event) == []
        assert len(self.it.events) == sent

    @precondition(lambda self: self.computing() and self.drive is not None)
    @rule(index=st.integers(0, 40), gate=st.integers(0, 9))
    def fail_a_final(self, index: int, gate: int) -> None:
        """A FINAL fails: one computed ahead is asked for again, any other ends the stream."""
        finals = self.it.waiting(RecognizeKind.FINAL)
        if finals and gate == 0:
            self.expected_error = InternalError("a final")
            self.it.failed(finals[index % len(finals)], self.expected_error)

    # --- the server ---

    @precondition(running)
    @rule(wakes=st.integers(1, 4), late_s=st.sampled_from([0.0, 0.1, 3.0]))
    def nothing_comes(self, wakes: int, late_s: float) -> None:
        """The client sends nothing: the session is woken when it asks for it, or later."""
        for _ in range(wakes):
            at_s = self.it.session.wake_at_s
            if at_s is None or self.it.finish is not None:
                return
            self.it.now_s = max(self.it.now_s, at_s) + late_s
            self.it.perform(self.it.session.wake())
        for runs in self.it.voiced:
            runs.append((-1, -1))  # a run does not go on past the end of speech

    @precondition(lambda self: self.drive is not None and self.drive.finish is None)
    @rule(seconds=st.floats(0, 5))
    def tick(self, seconds: float) -> None:
        """The heartbeat; Drive checks the cursors."""
        self.it.now_s += seconds
        self.it.tick()

    @precondition(lambda self: self.drive is not None and self.drive.finish is not None)
    @rule()
    def speak_after_the_end(self) -> None:
        """A session that is done answers nothing."""
        session = self.it.session
        assert session.fail(InternalError("again")) == session.end_of_input() == []
        assert session.tick() == session.finalize("late") == session.silence(100) == []

    # --- what holds between steps ---

    @invariant()
    def acks_do_not_wait_for_nothing(self) -> None:
        """With no FINAL due, no ack is; with no work at all and the audio over, the stream is."""
        if self.drive is None or self.drive.finish is not None:
            return
        if not self.drive.waiting(RecognizeKind.FINAL):
            assert not self.drive.controls
            assert not self.ending

    @invariant()
    def back_pressure_counts_finals_only(self) -> None:
        """What the pump waits for is work in flight."""
        if self.drive is not None and self.drive.finish is None:
            finals = self.drive.waiting(RecognizeKind.FINAL)
            longest = sum(len(work.samples) // 16 for work in finals)
            assert self.drive.session.undecoded_ms <= longest

    def teardown(self) -> None:
        """Whatever happened, the stream can be brought to its end."""
        drive = self.drive
        if drive is None:
            return
        if drive.finish is None and not self.ending:
            drive.end()
        while drive.in_flight:
            drive.done(next(reversed(drive.in_flight.values())), "text")
        assert drive.finish is not None
        assert drive.finish.error in (None, self.expected_error)


TestRecognitionMachine = RecognitionMachine.TestCase
TestRecognitionMachine.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
