"""A live client that stops sending: its speech ends by the clock, and its time stays in samples."""

from dataclasses import replace

import numpy as np
import pytest

from speech_service.domain.events import Detect, Finish, SpeechEventKind
from speech_service.domain.recognition import EndpointingMode, Pacing
from speech_service.domain.transcript import EndCause
from speech_service.domain.work import RecognizeKind
from tests.unit.sessions.checked_session import ENDPOINTING, OPTIONS
from tests.unit.sessions.drive import Drive

END_S = (ENDPOINTING.end_silence_ms + ENDPOINTING.quiet_margin_ms) / 1000


def wait(drive: Drive, seconds: float, *, answer: bool = True) -> Drive:
    """Nothing comes for so long: the driver wakes the session as it asks for."""
    until_s = drive.now_s + seconds
    while True:
        at_s = drive.session.wake_at_s
        if at_s is None or at_s > until_s:
            drive.now_s = until_s
            return drive
        drive.now_s = max(drive.now_s, at_s)
        drive.perform(drive.session.wake())
        while answer and drive.in_flight:
            work = next(iter(drive.in_flight.values()))
            drive.done(work, f"heard {len(work.samples)}")


def kinds(drive: Drive) -> list[SpeechEventKind]:
    return [event.kind for event in drive.speech_events]


def with_mode(mode: EndpointingMode) -> Drive:
    return Drive(replace(OPTIONS, endpointing=replace(ENDPOINTING, mode=mode)))


@pytest.mark.parametrize("step_ms", [10, 20, 32, 100, 250, 1000, 2000])
def test_speech_ends_when_nothing_comes_for_end_silence_and_the_margin(step_ms: int) -> None:
    drive = Drive().say(2000, step_ms)
    wait(drive, END_S + step_ms / 1000 - 0.05)
    assert kinds(drive) == [SpeechEventKind.BEGIN]
    assert not drive.finals
    wait(drive, 0.1)
    assert kinds(drive) == [SpeechEventKind.BEGIN, SpeechEventKind.END]
    (final,) = drive.finals
    assert final.end_cause is EndCause.ENDPOINT
    assert final.end_ms == 2000


def test_the_end_is_told_before_its_final() -> None:
    drive = wait(Drive().say(900), 3)
    names = [type(event).__name__ for event in drive.events]
    assert names.index("TranscriptResult") < len(names) - 1  # the partial of the quiet
    ends = [i for i, e in enumerate(drive.events) if getattr(e, "kind", 0) is SpeechEventKind.END]
    assert drive.events.index(drive.finals[0]) > ends[0]


@pytest.mark.parametrize("extra", [0, 1, 100, 511, 512, 700])
def test_partial_and_final_cover_all_that_was_sent(extra: int) -> None:
    drive = Drive().say(1000, 1000)
    drive.audio(extra)
    wait(drive, 4)
    sent_ms = drive.position // 16
    assert drive.partials[-1].end_ms == sent_ms
    assert drive.finals[0].end_ms == sent_ms
    assert len(drive.waiting()) == 0


def test_the_final_was_computed_in_the_quiet_before_the_end() -> None:
    drive = wait(Drive().say(1000), 0.6, answer=False)
    (work,) = drive.waiting(RecognizeKind.FINAL)
    assert not drive.finals
    drive.done(work, "all of it")
    wait(drive, 2, answer=False)
    assert [final.text for final in drive.finals] == ["all of it"]
    assert not drive.waiting()


def test_a_longer_margin_waits_longer() -> None:
    options = replace(OPTIONS, endpointing=replace(ENDPOINTING, quiet_margin_ms=3000))
    drive = wait(Drive(options).say(1000), 3.5)
    assert not drive.finals
    assert len(wait(drive, 0.5).finals) == 1


def test_silence_that_came_counts_by_its_samples() -> None:
    drive = Drive().say(1000).quiet(700)
    assert len(drive.answer_all().finals) == 1
    assert drive.session.wake_at_s is None


@pytest.mark.parametrize("mode", [EndpointingMode.OFF, EndpointingMode.EXTERNAL])
def test_where_the_client_decides_only_the_partial_comes(mode: EndpointingMode) -> None:
    drive = wait(with_mode(mode).say(1000), 60)
    assert not drive.finals
    assert drive.partials[-1].end_ms == 1000
    assert len(drive.finalize().answer_all().finals) == 1


def test_a_file_is_never_cut_by_the_clock() -> None:
    drive = Drive(replace(OPTIONS, pacing=Pacing.FILE, partial_results=False)).say(1000)
    assert drive.session.wake_at_s is None
    assert not wait(drive, 600).finals


def test_nothing_is_asked_for_while_nobody_speaks() -> None:
    assert Drive().session.wake_at_s is None
    assert Drive().quiet(3000).session.wake_at_s is None
    drive = Drive().say(1000).end().answer_all()
    assert isinstance(drive.finish, Finish)
    assert drive.session.wake_at_s is None


def test_audio_that_comes_in_time_goes_on_with_the_segment() -> None:
    drive = wait(Drive().say(1000), END_S - 0.1)
    drive.say(1000)
    wait(drive, 5)
    assert [final.end_ms for final in drive.finals] == [2000]


def test_later_audio_goes_on_in_samples_and_is_a_new_segment() -> None:
    drive = wait(Drive().say(1000), 30)
    drive.quiet(320).say(1000)
    wait(drive, 30)
    first, second = drive.finals
    assert (first.start_ms, first.end_ms) == (0, 1000)
    assert first.end_ms <= second.start_ms < 1320
    assert second.end_ms == 2320
    assert [event.time_ms for event in drive.speech_events] == [0, 1000, 1320, 2320]
    drive.tick().end().answer_all()
    assert drive.ended.usage.audio_in_ms == 2320


def test_progress_says_that_all_is_final() -> None:
    drive = wait(Drive().say(1000), 5).tick()
    assert (drive.claimed.received_ms, drive.claimed.final_ms) == (1000, 1000)


def test_every_channel_that_speaks_ends() -> None:
    drive = wait(Drive(replace(OPTIONS, separate_channels=True), channels=2).say(1000), 5)
    assert sorted(final.channel for final in drive.finals) == [0, 1]


def test_audio_sent_ahead_counts_at_its_time_up_to_two_seconds() -> None:
    drive = Drive()
    for _ in range(5):
        drive.audio(16_000)  # five seconds at once; the clock stands still
    first = drive.finals[:]
    wait(drive, 2 + END_S - 0.05)
    assert drive.speech_events[-1].kind is SpeechEventKind.BEGIN
    wait(drive, 0.1)
    assert drive.speech_events[-1].kind is SpeechEventKind.END
    assert len(drive.finals) > len(first)


@pytest.mark.parametrize("stall_ms", [200, 400, 700, 1000, 1900])
@pytest.mark.parametrize("step_ms", [20, 100, 250])
def test_what_was_held_up_once_is_not_waited_for_at_the_end(stall_ms: int, step_ms: int) -> None:
    """The network stands still, everything comes at once, and then audio comes in its time again."""
    drive = Drive().say(1000, step_ms)
    drive.now_s += stall_ms / 1000
    for _ in range(stall_ms // step_ms):
        drive.audio(step_ms * 16)  # at once; the clock stands still
    drive.say(3000, step_ms)
    wait(drive, END_S + 2 * step_ms / 1000 - 0.01)
    assert kinds(drive)[-1] is SpeechEventKind.END


def test_a_driver_that_stood_still_reads_first() -> None:
    drive = Drive().say(1000)
    drive.now_s += 20
    drive.perform(drive.session.wake())
    assert kinds(drive) == [SpeechEventKind.BEGIN]
    drive.say(500)  # it was waiting in the socket
    wait(drive, 5)
    assert [final.end_ms for final in drive.finals] == [1500]


def test_a_wake_that_comes_late_once_more_ends_the_speech() -> None:
    drive = Drive().say(1000)
    for _ in range(2):
        drive.now_s += 20
        drive.perform(drive.session.wake())
    assert kinds(drive)[-1] is SpeechEventKind.END


def test_what_was_not_heard_yet_is_heard_first() -> None:
    drive = Drive().say(1000, 1000)
    waiting = drive.session.audio(np.ones((160, 1), np.float32))
    assert not [action for action in waiting if isinstance(action, Detect)]
    drive.sent[0] = np.append(drive.sent[0], np.ones(160, np.float32))
    drive.now_s = drive.session.wake_at_s or 0
    drive.perform(drive.session.wake())
    assert drive.the(RecognizeKind.FINAL).samples.shape == (16_160,)


def test_an_update_of_the_margin_holds_from_the_next_segment_on() -> None:
    drive = Drive().say(1000)
    drive.update(replace(OPTIONS, endpointing=replace(ENDPOINTING, quiet_margin_ms=9000)))
    assert len(wait(drive, END_S + 0.2).finals) == 1
    drive.say(1000)
    assert len(wait(drive, END_S + 0.2).finals) == 1
    assert len(wait(drive, 10).finals) == 2
