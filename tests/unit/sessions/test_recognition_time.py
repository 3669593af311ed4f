"""RecognitionSession by example: silence, cursors, lag and cost. Drive checks every action on the way."""

import gc
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from speech_service.domain.audio import Samples
from speech_service.domain.errors import (
    OverloadedError,
)
from speech_service.domain.events import (
    Cancel,
    Detect,
    Emit,
    Finish,
    GoingAway,
    Progress,
    StreamWarning,
    Submit,
)
from speech_service.domain.recognition import EndpointingMode, Pacing
from speech_service.domain.transcript import EndCause, Hypothesis
from speech_service.domain.work import RecognizeKind, RecognizeWork, WorkDone, WorkTiming
from speech_service.sessions.recognition.events import RecognitionStep
from speech_service.sessions.recognition.segmenter import Segmenter, SegmentEvent
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionIdentity,
    SessionLimits,
)
from tests.unit.sessions.checked_session import ENDPOINTING, OPTIONS, QUIET, SPEECH
from tests.unit.sessions.drive import Drive

PARTIAL, FINAL = RecognizeKind.PARTIAL, RecognizeKind.FINAL
EXTERNAL = replace(OPTIONS, endpointing=replace(ENDPOINTING, mode=EndpointingMode.EXTERNAL))
FILE = replace(OPTIONS, pacing=Pacing.FILE, partial_results=False)


# --- silence messages ---


def test_a_silence_message_ends_a_segment_and_counts_as_time() -> None:
    drive = Drive().say(500).silence(2_000).say(500).end().answer_all()
    first, second = drive.finals
    assert first.end_cause is EndCause.ENDPOINT
    assert second.start_ms == pytest.approx(2_200, abs=64)


def test_silence_between_samples_of_a_frame_keeps_its_place() -> None:
    drive = Drive(EXTERNAL)
    drive.audio(8_100).silence(10).audio(8_100).end().answer_all()
    # 10 ms in a turn are part of the turn; Drive compares the samples with what was sent.
    assert drive.intervals(0) == [(0, 8_100 + 160 + 8_100)]


def test_silence_first_does_not_decide_the_number_of_channels() -> None:
    drive = Drive(channels=2).silence(3_000).say(500).finalize("f").answer_all().end()
    assert [f.start_ms for f in drive.finals] == [3_000, 3_000]
    assert drive.ended.usage.audio_in_ms == 2 * 3_500


def test_silence_alone_is_a_stream() -> None:
    drive = Drive().silence(5_000).tick().end()
    assert drive.claimed == Progress(5_000, 5_000, 5_000, 0)
    assert drive.ended.usage.audio_in_ms == 5_000


def test_ten_minutes_of_silence_are_not_heard_frame_by_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pushed = 0
    push = Segmenter.push

    def counting(self: Segmenter, frame: Samples, probability: float) -> list[SegmentEvent]:
        nonlocal pushed
        pushed += 1
        return push(self, frame, probability)

    monkeypatch.setattr(Segmenter, "push", counting)
    drive = Drive().say(500)
    before = pushed
    drive.silence(600_000)
    assert pushed - before < 200
    drive.say(500).end().answer_all()
    assert drive.finals[1].start_ms == pytest.approx(600_500 - 300, abs=64)


# --- cursors, lag, back-pressure ---


def test_progress_follows_the_stream() -> None:
    drive = Drive().quiet(2_000).tick()
    assert drive.claimed.received_ms == 2_000
    assert drive.claimed.final_ms == pytest.approx(2_000 - 300, abs=64)
    assert drive.claimed.lag_ms <= 32
    drive.say(1_000).tick()
    assert drive.claimed.final_ms == pytest.approx(1_700, abs=64)
    drive.done(drive.waiting(PARTIAL)[-1], "text").tick()
    assert 2_400 <= drive.claimed.decoded_ms <= 3_000
    drive.quiet(800).answer_all().tick()
    assert drive.claimed.final_ms == pytest.approx(3_200, abs=64)
    assert drive.claimed.lag_ms <= 32


def test_silence_in_a_turn_that_was_decoded_is_no_lag() -> None:
    drive = Drive(EXTERNAL).say(1_000).quiet(500).answer_all().quiet(1_000).tick()
    assert drive.claimed.lag_ms <= 32


def test_undecoded_audio_is_that_of_closed_segments_without_a_final() -> None:
    drive = Drive(FILE).say(1_000)
    assert drive.session.undecoded_ms == 0
    drive.quiet(800)
    assert drive.session.undecoded_ms == pytest.approx(1_192, abs=64)
    drive.answer_all()
    assert drive.session.undecoded_ms == 0


def test_a_live_stream_that_lags_too_long_is_given_up() -> None:
    drive = Drive(limits=SessionLimits(max_lag_s=2))
    drive.audio(16_000)
    drive.hears(lambda _, frames: [QUIET] * len(frames))
    drive.audio(16_000 * 4).tick()  # the clock stands at 0: the first look starts the count
    drive.now_s = 1.9
    drive.tick()
    assert drive.finish is None
    drive.now_s = 2.1
    drive.tick()
    assert drive.finish is not None
    assert isinstance(drive.finish.error, OverloadedError)
    assert drive.finish.error.reason == "LAG_TOO_LARGE"


def test_lag_that_was_made_good_is_forgotten() -> None:
    drive = Drive(limits=SessionLimits(max_lag_s=2)).say(500).quiet(4_000).tick()
    drive.answer_all().tick()
    drive.now_s += 10
    drive.say(500).quiet(4_000).tick()
    assert drive.finish is None


def test_an_open_segment_is_no_lag_however_long_it_is() -> None:
    long = replace(ENDPOINTING, max_segment_ms=30_000, soft_segment_ms=30_000)
    options = replace(OPTIONS, endpointing=long, partial_results=False)
    drive = Drive(options, limits=SessionLimits(max_lag_s=2))
    for _ in range(20):
        drive.say(1_000).tick()
    assert drive.finish is None


def test_a_file_may_lag() -> None:
    drive = Drive(FILE, limits=SessionLimits(max_lag_s=1)).say(500).quiet(5_000).tick()
    drive.now_s += 100
    drive.tick()
    assert drive.finish is None


def test_warnings_and_going_away_are_passed_on() -> None:
    drive = Drive()
    drive.perform(drive.session.warn(StreamWarning("R", "x", "why")))
    drive.perform(drive.session.going_away(500))
    assert drive.events[1:] == [StreamWarning("R", "x", "why"), GoingAway(500)]


# --- a driver that was stopped ---


def test_audio_whose_detection_was_never_answered_is_not_lost() -> None:
    drive = Drive().say(500)
    block = np.arange(8_001, 11_301, dtype=np.float32)[:, None]
    actions = [*drive.session.audio(block), *drive.session.catch_up()]
    assert [type(a) for a in actions] == [Detect]  # the server drains: nobody answers
    drive.sent[0] = np.concatenate([drive.sent[0], block[:, 0]])
    drive.end()
    assert len(drive.the(FINAL).samples) == 11_300
    drive.answer_all()
    assert drive.finish == Finish(None)


@pytest.mark.parametrize("then", ["finalize", "silence", "end"])
def test_audio_that_a_driver_never_let_be_heard_is_not_lost(then: str) -> None:
    drive = Drive().say(500)
    block = np.arange(8_001, 10_001, dtype=np.float32)[:, None]
    assert drive.session.audio(block) == [], "it waits"
    session = drive.session
    match then:
        case "finalize":
            actions = session.finalize("f")
        case "silence":
            actions = session.silence(1_000)
        case _:
            actions = session.end_of_input()
    submitted = [a.work for a in actions if isinstance(a, Submit)]
    assert all(isinstance(work, RecognizeWork) for work in submitted)
    assert max(len(work.samples) for work in submitted) >= 10_000  # pyright: ignore[reportAttributeAccessIssue]


def test_detection_hears_louder_audio_than_the_model() -> None:
    session = Drive(replace(OPTIONS, endpointing=replace(ENDPOINTING, gain_db=20.0))).session
    block = np.linspace(-0.3, 0.3, 1024, dtype=np.float32)[:, None]
    [detect] = [*session.audio(block), *session.catch_up()]
    assert isinstance(detect, Detect)
    expected = np.clip(10 * block, -1, 1).reshape(2, 512)
    np.testing.assert_allclose(detect.frames, expected, rtol=1e-6)
    session.probabilities(np.ones(2, np.float32))
    [submitted] = [a.work for a in session.finalize("f") if isinstance(a, Submit)]
    assert isinstance(submitted, RecognizeWork)
    np.testing.assert_array_equal(submitted.samples, block[:, 0])


def test_unanswered_silence_stays_silence() -> None:
    drive = Drive().quiet(500)
    assert drive.session.audio(np.zeros((3_200, 1), np.float32))
    drive.sent[0] = np.concatenate([drive.sent[0], np.zeros(3_200, np.float32)])
    drive.end()
    assert drive.finish == Finish(None)
    assert drive.results == []


# --- cost ---


def test_an_endless_stream_holds_no_more_than_a_short_one() -> None:
    session = RecognitionSession(SessionIdentity("s"), OPTIONS, lambda: 0.0)
    quiet, loud = np.zeros((1_600, 1), np.float32), np.ones((1_600, 1), np.float32)

    def run(utterances: int) -> int:
        for number in range(utterances):
            for block in [loud] * 5 + [quiet] * 8:
                _feed(session, block)
            _carry_out(session, session.silence(1_000))
            _carry_out(session, session.finalize(f"f{number}"))
            for block in [loud] * 3:
                _feed(session, block)
            _carry_out(session, session.reset(f"r{number}", True))
            _carry_out(session, session.update(OPTIONS, f"u{number}"))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = run(30)
        after = run(50)
    finally:
        tracemalloc.stop()
    assert after - before < 60_000
    assert session.progress().lag_ms <= 32


def _feed(session: RecognitionSession, block: Samples) -> None:
    for action in session.audio(block):
        assert isinstance(action, Detect)
        scores = action.frames[:, 0].clip(QUIET, SPEECH)
        _carry_out(session, session.probabilities(scores))


def _carry_out(session: RecognitionSession, actions: Sequence[RecognitionStep]) -> None:
    for action in actions:
        match action:
            case Submit(work):
                done = WorkDone(work.work_id, Hypothesis("text"), WorkTiming())
                _carry_out(session, session.work_event(done))
            case Emit() | Cancel():
                pass
            case _:
                raise AssertionError(action)
