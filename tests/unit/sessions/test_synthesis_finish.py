"""How speech finished: whether the model stopped by itself, and what is told of the text."""

from speech_service.domain.events import ContextEnded, SessionEnded, SpeechSamples, StreamWarning
from speech_service.domain.synthesis import SpeechFinish
from tests.unit.sessions.speech_drive import SpeechDrive

TWO = "First one here. Second one here. "


def finishes(drive: SpeechDrive) -> list[SpeechFinish | None]:
    return [e.finish for e in drive.events if isinstance(e, ContextEnded)]


def test_speech_that_came_to_its_end_says_so() -> None:
    drive = SpeechDrive().text(TWO).flush().speak_all()
    assert finishes(drive) == [SpeechFinish.COMPLETE]
    assert drive.warnings() == []


def test_a_cut_piece_makes_its_context_cut_and_is_warned_of_once() -> None:
    drive = SpeechDrive().text(TWO).flush()
    for _ in range(2):
        (work, *_) = drive.waiting
        drive.audio(work).cut(work).read()
    assert finishes(drive) == [SpeechFinish.LENGTH_LIMIT]
    assert drive.warnings() == ["SPEECH_CUT"]
    assert drive.kinds().index("StreamWarning") < drive.kinds().index("ContextEnded")


def test_other_contexts_are_not_cut_with_it() -> None:
    drive = SpeechDrive().text("One here.", "a").flush("a").text("Two here.", "b").flush("b")
    (first, *_) = drive.waiting
    drive.audio(first).cut(first).speak_all()
    assert finishes(drive) == [SpeechFinish.LENGTH_LIMIT, SpeechFinish.COMPLETE]


def test_a_cancelled_context_has_no_finish() -> None:
    drive = SpeechDrive().text(TWO).cancel()
    assert finishes(drive) == [None]


def test_a_stream_is_never_spoken_twice() -> None:
    drive = SpeechDrive().text("One here.").flush()
    (work,) = drive.waiting
    drive.audio(work).cut(work).read()
    assert len(drive.submitted) == 1
    assert drive.spoken_ms() == 100


def test_where_nobody_has_heard_it_speech_is_made_again_from_other_seeds() -> None:
    drive = SpeechDrive(tries=3).text("One here.").flush()
    for ms in (70, 80):
        (work,) = drive.waiting
        drive.audio(work, ms).cut(work)
        assert drive.spoken_ms() == 0
    (last,) = drive.waiting
    drive.audio(last, 90).done(last).read()
    assert drive.spoken_ms() == 90
    assert finishes(drive) == [SpeechFinish.COMPLETE]
    assert drive.warnings() == []
    assert len({work.seed for work in drive.submitted}) == 3
    assert {(work.text, work.voice) for work in drive.submitted} == {("One here.", "voice")}


def test_tries_are_bounded_and_the_same_each_time() -> None:
    def seeds() -> list[int]:
        drive = SpeechDrive(tries=3).text("One here.").flush()
        while drive.waiting:
            (work,) = drive.waiting
            drive.audio(work).cut(work)
        assert finishes(drive.read()) == [SpeechFinish.LENGTH_LIMIT]
        assert drive.warnings() == ["SPEECH_CUT"]
        assert drive.spoken_ms() == 100, "the last try alone"
        return [work.seed for work in drive.submitted]

    first = seeds()
    assert len(first) == 3
    assert first == seeds()


def test_pieces_keep_their_order_when_one_is_made_again() -> None:
    drive = SpeechDrive(tries=2).text(TWO).flush()
    (first,) = drive.waiting
    drive.audio(first, 10)
    first, second = drive.waiting
    drive.audio(second, 20).done(second)
    drive.cut(first)
    (again,) = (work for work in drive.waiting if work.text == first.text)
    drive.audio(again, 30).done(again).read()
    lengths = [len(e.samples) for e in drive.events if isinstance(e, SpeechSamples)]
    assert lengths == [30, 20]


def test_the_session_waits_for_what_is_being_found_out() -> None:
    drive = SpeechDrive()
    drive.session.expect_notice()
    drive.text("One here.").end().speak_all()
    assert not drive.of(SessionEnded)
    drive.perform(drive.session.notice(StreamWarning("LANGUAGE_NOT_SPOKEN", "text", "m"))).read()
    assert drive.kinds()[-2:] == ["StreamWarning", "SessionEnded"]
    assert drive.finished == [None]


def test_a_notice_of_nothing_ends_the_wait_too() -> None:
    drive = SpeechDrive()
    drive.session.expect_notice()
    drive.text("One here.").end().speak_all()
    drive.perform(drive.session.notice(None)).read()
    assert drive.kinds()[-1] == "SessionEnded"
    assert drive.perform(drive.session.notice(None)).finished == [None]
