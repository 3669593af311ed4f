"""SynthesisSession: contexts, order, flush, cancel, failures, back-pressure."""

from dataclasses import replace

import numpy as np
import pytest

from speech_service.domain.errors import (
    InternalError,
    InvalidOptionError,
    LimitExceededError,
    UnavailableError,
)
from speech_service.domain.events import (
    ContextEnded,
    ControlAck,
    SessionEnded,
    SpeechSamples,
    StreamWarning,
)
from speech_service.domain.synthesis import Segmentation, SpokenWord
from speech_service.domain.work import DropReason, WorkAudio, WorkDropped
from speech_service.sessions.synthesis.context import SynthesisLimits
from tests.unit.sessions.speech_drive import OPTIONS, RATE, SpeechDrive

THREE = "First one here. Second one here. Third one here. "


def test_a_sentence_is_spoken_before_the_text_ends() -> None:
    drive = SpeechDrive().text("One two three. Four fi")
    assert [w.text for w in drive.submitted] == ["One two three. "]
    assert [w.voice for w in drive.submitted] == ["voice"]
    drive.audio(drive.waiting[0])
    assert drive.spoken_ms() == 100
    drive.text("ve. ").flush()
    assert [w.text for w in drive.submitted] == ["One two three. ", "Four five. "]


def test_two_pieces_are_on_the_device_and_leave_in_order() -> None:
    drive = SpeechDrive().text(THREE).flush()
    (first,) = drive.waiting
    drive.audio(first, 20)
    assert drive.spoken_ms() == 20
    _, second = drive.waiting
    drive.audio(second, 30).done(second)
    assert drive.spoken_ms() == 20
    drive.done(first)
    lengths = [len(e.samples) for e in drive.events if isinstance(e, SpeechSamples)]
    assert lengths == [20, 30]
    assert len(drive.submitted) == 3
    drive.speak_all().end().read()
    assert drive.outcomes() == [("a", "done")]
    assert drive.finished == [None]


def test_the_second_piece_follows_when_the_first_sounds_or_has_ended() -> None:
    """Else the first piece of another session would wait for it."""
    drive = SpeechDrive().text(THREE).flush()
    (first,) = drive.waiting
    drive.done(first)
    (second,) = drive.waiting
    drive.audio(second)
    assert [w.text for w in drive.waiting] == ["Second one here. ", "Third one here. "]


def test_the_ack_of_a_flush_comes_before_the_end_of_its_context() -> None:
    drive = SpeechDrive().text("Hello there.").flush(control_id="x").speak_all()
    kinds = drive.kinds()
    assert kinds.index("ControlAck") < kinds.index("ContextEnded")
    (ack,) = drive.of(ControlAck)
    assert isinstance(ack, ControlAck)
    assert (ack.control_id, ack.context_id) == ("x", "a")


def test_a_flush_of_nothing_is_acknowledged() -> None:
    drive = SpeechDrive().flush("nobody").cancel("nobody").cancel("")
    assert drive.acked == ["f", "c", "c"]
    assert drive.outcomes() == []


@pytest.mark.parametrize("text", ["   ", "\n\t", "... !?", "🙂🙃"])
def test_a_context_with_nothing_to_say_ends_well_with_a_warning(text: str) -> None:
    drive = SpeechDrive().text(text).flush().read()
    assert not drive.submitted
    assert drive.outcomes() == [("a", "done")]
    assert drive.warnings() == ["NOTHING_TO_SPEAK"]


def test_cancel_gives_up_the_work_and_the_context() -> None:
    drive = SpeechDrive().text(THREE).text("Other words here. And", "b")
    first = drive.waiting[0]
    drive.audio(first).cancel("a")
    assert first.work_id in drive.cancelled
    assert len(drive.cancelled) == 2
    assert drive.outcomes() == [("a", "cancelled")]
    assert [w.text for w in drive.waiting] == ["Other words here. "]
    # What the device still had on its way changes nothing.
    late = WorkAudio(first.work_id, np.ones(5, np.float32), RATE)
    drive.perform(drive.session.work_event(late))
    drive.perform(drive.session.work_event(WorkDropped(first.work_id, DropReason.CANCELLED)))
    assert drive.spoken_ms() == 100
    drive.end().speak_all()
    assert drive.outcomes() == [("a", "cancelled"), ("b", "done")]
    drive = SpeechDrive().text(THREE).cancel().cancel()
    assert drive.outcomes() == [("a", "cancelled")]


def test_cancel_of_all() -> None:
    drive = SpeechDrive()
    for name in "abc":
        drive.text(THREE, name)
    drive.cancel("")
    assert drive.outcomes() == [(name, "cancelled") for name in "abc"]
    assert not drive.on_device
    drive.text("More to say.", "a").flush().speak_all()
    assert drive.outcomes()[-1] == ("a", "done")


def test_a_context_can_be_cancelled_until_its_end_was_read() -> None:
    drive = SpeechDrive().text("Hello there.").flush()
    (work,) = drive.waiting
    drive.audio(work).done(work).cancel()
    assert drive.outcomes() == [("a", "done"), ("a", "cancelled")]  # the output drops the first
    drive = SpeechDrive().text("Hello there.").flush().speak_all().cancel()
    assert drive.outcomes() == [("a", "done")]


def test_an_id_opens_anew_behind_its_flush() -> None:
    drive = (
        SpeechDrive().text("Old text here.").flush().text("New text here.").flush(control_id="g")
    )
    drive.speak_all()
    ended = [e for e in drive.events if isinstance(e, ContextEnded)]
    assert [(e.owner.context_id, e.owner.turn) for e in ended] == [("a", 1), ("a", 2)]
    assert [w.text for w in drive.submitted] == ["Old text here.", "New text here."]


def test_a_context_that_waits_for_text_holds_up_no_other() -> None:
    drive = SpeechDrive().text("not yet a sentence", "a").text("Whole sentence. ", "b").flush("b")
    drive.speak_all()
    assert drive.outcomes() == [("b", "done")]


def test_one_failed_context_leaves_the_stream_alive() -> None:
    drive = SpeechDrive().text(THREE).text("Good words here. ", "b").flush("b")
    drive.failed(drive.waiting[0], InternalError("broken"))
    assert drive.outcomes() == [("a", "failed")]
    drive.speak_all().end().read()
    assert drive.outcomes() == [("a", "failed"), ("b", "done")]
    assert drive.finished == [None]


def test_the_only_context_of_a_unary_call_fails_it() -> None:
    drive = SpeechDrive(single=True).text(THREE, "").end()
    drive.failed(drive.waiting[0], UnavailableError("gone"))
    (error,) = drive.finished
    assert isinstance(error, UnavailableError)
    assert not drive.on_device


def test_text_that_the_voice_cannot_say() -> None:
    def silent() -> InvalidOptionError:
        return InvalidOptionError("text", "nothing", reason="NOTHING_TO_SPEAK")

    drive = SpeechDrive().text("你好。").text("Hello there. ").flush()
    drive.failed(drive.waiting[0], silent()).speak_all()
    assert drive.outcomes() == [("a", "done")]
    assert drive.warnings() == ["UNSPOKEN_TEXT"]
    drive = SpeechDrive().text("你好。").flush()
    drive.failed(drive.waiting[0], silent())
    assert drive.outcomes() == [("a", "failed")]


def test_a_client_that_does_not_read_pauses_synthesis() -> None:
    drive = SpeechDrive(limits=SynthesisLimits(ahead_ms=1000)).text(THREE * 10).flush()
    for _ in range(30):
        for work in drive.waiting:
            drive.audio(work, 400).done(work)
    assert not drive.on_device
    assert drive.session.unsent_ms <= 1000 + 2 * 400
    before = len(drive.submitted)
    assert before < 10
    drive.read(4)
    assert len(drive.submitted) > before
    drive.speak_all()
    assert len(drive.submitted) == 30
    assert drive.outcomes() == [("a", "done")]


def test_times_are_in_the_audio_and_the_text_of_the_context() -> None:
    drive = SpeechDrive(replace(OPTIONS, word_timings=True)).text("One two. Three four. ").flush()
    (first,) = drive.waiting
    drive.audio(first, 500).done(first, (SpokenWord("One", 0, 3, 100, 200),))
    (second,) = drive.waiting
    drive.audio(second, 300).done(second, (SpokenWord("Three", 0, 5, 50, 150),))
    units = [u for timings in drive.timings() for u in timings.units]
    assert [(u.text, u.char_start, u.char_end, u.start_ms, u.end_ms) for u in units] == [
        ("One", 0, 3, 100, 200),
        ("Three", 9, 14, 550, 650),
    ]


def test_limits() -> None:
    limits = SynthesisLimits(max_text_characters=20, max_contexts=2)
    drive = SpeechDrive(limits=limits)
    with pytest.raises(LimitExceededError) as caught:
        drive.text("x" * 21)
    assert caught.value.option == "text.text"
    drive = SpeechDrive(limits=limits).text("x", "a").text("x", "b")
    with pytest.raises(LimitExceededError) as caught:
        drive.text("x", "c")
    assert caught.value.option == "text.context_id"


def test_nothing_may_follow_the_end_of_the_text() -> None:
    drive = SpeechDrive().text("Hello there.").end().end()
    with pytest.raises(InvalidOptionError, match="end_of_text"):
        drive.text("More.")
    drive.speak_all()
    assert drive.finished == [None]
    assert drive.session.done
    for actions in (
        drive.session.text("a", "x"),
        drive.session.flush("a", ""),
        drive.session.cancel("a", ""),
        drive.session.update(OPTIONS, ""),
        drive.session.warn(StreamWarning("X", "", "")),
        drive.session.sent(1, 1.0),
        drive.session.fail(InternalError("late")),
    ):
        assert actions == []


def test_new_options_are_for_contexts_that_open_later() -> None:
    drive = SpeechDrive().text("Hello the")
    drive.controls.append("u")
    drive.perform(drive.session.update(replace(OPTIONS, voice="other"), "u"))
    drive.text("re.").flush().text("Hello there.", "b").flush("b", "g").speak_all()
    assert [w.voice for w in drive.submitted] == ["voice", "other"]


@pytest.mark.parametrize(
    ("mode", "pieces"),
    [
        (Segmentation.SENTENCE, ["One two. "]),
        (Segmentation.IMMEDIATE, ["One two. Three"]),
        (Segmentation.MANUAL, []),
    ],
)
def test_modes(mode: Segmentation, pieces: list[str]) -> None:
    drive = SpeechDrive(replace(OPTIONS, segmentation=mode)).text("One two. Three")
    assert [w.text for w in drive.submitted] == pieces
    drive.flush().speak_all()
    assert "".join(w.text for w in drive.submitted) == "One two. Three"


def test_encoding_that_fails_fails_the_context() -> None:
    drive = SpeechDrive().text(THREE).flush()
    drive.perform(drive.session.output_failed(1, UnavailableError("codec")))
    assert drive.outcomes() == [("a", "failed")]
    assert not drive.on_device


def test_usage_counts_the_text() -> None:
    drive = SpeechDrive().text("Hello there.").end().speak_all()
    (ended,) = drive.of(SessionEnded)
    assert isinstance(ended, SessionEnded)
    assert ended.usage.characters_in == 12


def test_work_says_how_far_ahead_of_its_listener_it_is() -> None:
    """By the clock of one who hears at once, or by what a client has not taken."""
    drive = SpeechDrive().text("First one here. ").flush()
    first = drive.waiting[0]
    assert first.ahead_ms == 0
    drive.audio(first, 4000).read().done(first)
    drive.now_s += 1.0
    drive.text("Second one here. ").flush()
    assert drive.waiting[-1].ahead_ms == 3000
    drive.done(drive.waiting[-1])
    drive.now_s += 60.0
    drive.text("Third one here. ").flush()
    assert drive.waiting[-1].ahead_ms == 0
    drive.audio(drive.waiting[-1], 5000).done(drive.waiting[-1])
    drive.now_s += 60.0
    drive.text("Fourth one here. ").flush()
    assert drive.waiting[-1].ahead_ms == 5000, "it has not taken the third one"


def test_work_says_that_the_piece_before_it_is_still_being_spoken() -> None:
    """Half of what its text is taken to come to, which is 60 ms a character: its voice may be a fast one."""
    text = "A first sentence of forty characters. "
    drive = SpeechDrive().text(text + "And a second one. ").flush()
    (first,) = drive.waiting
    drive.audio(first, 80)
    _, second = drive.waiting
    assert second.ahead_ms == first.cost_ms / 2 > 1000, "80 ms are made, so 80 ms less are coming"
    drive = SpeechDrive().text(text + "And")
    drive.audio(drive.waiting[0], 3000).read().text(" a second one. ").flush()
    assert drive.waiting[-1].ahead_ms == 3000, "it may be over"


def test_a_slow_voice_has_more_to_come() -> None:
    ahead: list[int] = []
    for rate in (1.0, 0.5):
        options = replace(OPTIONS, speaking_rate=rate)
        drive = SpeechDrive(options).text("A sentence of words. And a second one. ").flush()
        drive.audio(drive.waiting[0], 80)
        ahead.append(drive.waiting[-1].ahead_ms)
    assert ahead[1] == 2 * ahead[0] > 0


def test_who_cancels_hears_what_comes_next_at_once() -> None:
    drive = SpeechDrive().text("First one here. ").flush()
    drive.audio(drive.waiting[0], 4000).cancel("a")
    drive.text("Second one here. ", "b").flush("b")
    assert drive.waiting[-1].ahead_ms == 0
