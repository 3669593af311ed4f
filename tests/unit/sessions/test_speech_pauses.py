"""A text that pauses: what is finished is spoken, and a context may be flushed and go on."""

from dataclasses import replace

import pytest

from speech_service.domain.errors import InternalError, InvalidOptionError, LimitExceededError
from speech_service.domain.events import ContextEnded, ControlAck, ControlKind
from speech_service.domain.synthesis import Segmentation
from speech_service.sessions.synthesis.context import SynthesisIdentity
from speech_service.sessions.synthesis.session import MAX_OPEN_CONTROLS, SynthesisSession
from tests.unit.sessions.speech_drive import OPTIONS, SpeechDrive


class Clocked(SpeechDrive):
    """With a clock that the test sets."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.now_s = 100.0
        given = replace(OPTIONS, **options)
        self.session = SynthesisSession(SynthesisIdentity("s"), given, lambda: self.now_s)

    def wait(self, seconds: float) -> "Clocked":
        until_s = self.now_s + seconds
        while (at_s := self.session.wake_at_s) is not None and at_s <= until_s:
            self.now_s = max(self.now_s, at_s)
            self.perform(self.session.wake())
        self.now_s = until_s
        return self

    def texts(self) -> list[str]:
        return [work.text for work in self.submitted]


def test_a_finished_sentence_is_spoken_after_the_pause() -> None:
    drive = Clocked()
    drive.text("Let me check that for you. ")
    assert drive.session.wake_at_s == pytest.approx(100.2)
    drive.wait(0.19)
    assert drive.texts() == []
    drive.wait(0.02)
    assert drive.texts() == ["Let me check that for you. "]
    assert drive.session.wake_at_s is None


def test_tokens_that_come_in_time_put_it_off() -> None:
    drive = Clocked()
    for token in ("Sure", "!", " One", " mo", "ment", "."):
        drive.text(token)
        drive.wait(0.15)
    assert drive.texts() == ["Sure! "]  # proved by the next word
    drive.text(" ").wait(0.25)  # pyright: ignore[reportAttributeAccessIssue]
    assert drive.texts() == ["Sure! "]  # one of two pieces is on the device until it sounds
    drive.speak_all()
    assert drive.texts() == ["Sure! ", "One moment. "]


@pytest.mark.parametrize("text", ["See Dr. ", "www.example.", "It is e.g. ", "Hello there"])
def test_what_may_go_on_is_never_cut_by_a_pause(text: str) -> None:
    drive = Clocked()
    drive.text(text)
    assert drive.session.wake_at_s is None
    drive.wait(60)
    assert drive.texts() == []
    drive.flush()
    assert drive.texts() == [text]


@pytest.mark.parametrize(
    "text", ["Let me check.", "The answer is no. ", "In the U.S. ", "It is 3."]
)
def test_what_might_go_on_is_spoken_after_five_pauses(text: str) -> None:
    drive = Clocked()
    drive.text(text)
    drive.wait(0.99)
    assert drive.texts() == []
    drive.wait(0.02)
    assert drive.texts() == [text]
    assert drive.session.wake_at_s is None


@pytest.mark.parametrize("pause_ms", [50, 1000, 10_000])
def test_the_pause_is_an_option(pause_ms: int) -> None:
    drive = Clocked(sentence_pause_ms=pause_ms)
    drive.text("Sure! ")
    drive.wait(pause_ms / 1000 - 0.01)
    assert drive.texts() == []
    assert drive.wait(0.02).texts() == ["Sure! "]


def test_zero_waits_for_the_next_word() -> None:
    drive = Clocked(sentence_pause_ms=0)
    drive.text("Sure! ")
    assert drive.wait(600).texts() == []
    drive.text("Now")
    assert drive.texts() == ["Sure! "]


def test_each_context_has_its_own_pause() -> None:
    drive = Clocked()
    drive.text("Sure! ", "a")
    drive.wait(0.1)
    drive.text("Yes! ", "b")
    drive.wait(0.15)
    assert drive.texts() == ["Sure! "]
    drive.wait(0.1).speak_all()
    assert drive.texts() == ["Sure! ", "Yes! "]


@pytest.mark.parametrize("end", ["flush", "cancel", "end"])
def test_a_context_that_is_over_asks_for_nothing(end: str) -> None:
    drive = Clocked()
    drive.text("Sure! ")
    getattr(drive, end)()
    assert drive.session.wake_at_s is None
    drive.wait(5)
    assert len(drive.texts()) == (0 if end == "cancel" else 1)


def acks(drive: SpeechDrive) -> list[str]:
    return [e.control_id for e in drive.events if isinstance(e, ControlAck)]


@pytest.mark.parametrize("mode", list(Segmentation))
def test_a_flush_may_keep_the_context(mode: Segmentation) -> None:
    drive = Clocked(segmentation=mode)
    drive.text("Dr. ")
    drive.flush_open()
    assert not acks(drive), "nothing was spoken yet"
    drive.speak_all()
    assert acks(drive) == ["k"]
    assert drive.texts() == ["Dr. "]
    assert not drive.outcomes()
    drive.text("Smith is here. And")
    drive.flush_open(control_id="l").speak_all()
    drive.flush().speak_all()
    assert "".join(drive.texts()) == "Dr. Smith is here. And"
    assert drive.outcomes() == [("a", "done")]
    assert [e.owner.turn for e in drive.of(ContextEnded)] == [1]  # pyright: ignore[reportAttributeAccessIssue]
    assert acks(drive) == ["k", "l", "f"]


def test_the_ack_of_a_flush_that_keeps_comes_behind_its_speech_and_before_what_follows() -> None:
    drive = Clocked()
    drive.text("One two. ").flush_open(control_id="k").text("Three four. ").flush_open(
        control_id="l"
    )
    first, *_ = drive.waiting
    drive.audio(first)
    drive.text("Other.", "b").flush("b")
    assert acks(drive) == ["f"], "what needs no speech waits for none"
    drive.done(first)
    assert acks(drive) == ["f", "k"]
    assert drive.kinds()[-1] == "ControlAck"
    drive.speak_all()
    assert acks(drive) == ["f", "k", "l"]
    assert drive.outcomes() == [("b", "done")]


@pytest.mark.parametrize("end", ["cancel", "fail", "end"])
def test_the_ack_comes_before_the_end_of_the_context_however_it_ends(end: str) -> None:
    drive = Clocked()
    drive.text("One two. Three").flush_open()
    if end == "cancel":
        drive.cancel()
    elif end == "fail":
        drive.failed(drive.waiting[0], InternalError("broken"))
    else:
        drive.end().speak_all()
    assert acks(drive)[0] == "k"
    assert drive.kinds().index("ControlAck") < drive.kinds().index("ContextEnded")


def test_flushes_that_wait_are_bounded() -> None:
    drive = Clocked()
    drive.text("One two.")
    for number in range(MAX_OPEN_CONTROLS):
        drive.flush_open(control_id=str(number))
    with pytest.raises(LimitExceededError):
        drive.session.flush("a", "more", keep_open=True)
    drive.speak_all()
    assert acks(drive) == [str(number) for number in range(MAX_OPEN_CONTROLS)]


def test_a_flush_that_keeps_nothing_is_acknowledged() -> None:
    drive = Clocked()
    drive.flush_open()
    assert acks(drive) == ["k"]
    drive.text("... ").flush_open(control_id="l")
    assert acks(drive) == ["k", "l"]
    drive.end().read()
    assert drive.finished == [None]


def test_what_was_flushed_open_is_still_cancelled() -> None:
    drive = Clocked()
    drive.text("Hello there")
    drive.flush_open().cancel()
    assert drive.cancelled == [drive.submitted[0].work_id]
    assert drive.outcomes() == [("a", "cancelled")]


def test_a_refused_control_message_changes_nothing() -> None:
    drive = Clocked()
    drive.text("Hello. ")
    error = InvalidOptionError("update_config.update_mask", "is empty")
    drive.controls.append("u")
    drive.perform(drive.session.refuse(ControlKind.UPDATE_CONFIG, "u", error))
    (ack,) = drive.of(ControlAck)
    assert ack == ControlAck("u", ControlKind.UPDATE_CONFIG, error=error)
    drive.end().speak_all()
    assert drive.outcomes() == [("a", "done")]
