"""RecognitionSession by example: partials, FINALs and the end. Drive checks every action on the way."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from speech_service.domain.errors import (
    InternalError,
)
from speech_service.domain.events import (
    Finish,
    SessionStarted,
    SpeechEventKind,
)
from speech_service.domain.recognition import EndpointingMode, Pacing
from speech_service.domain.transcript import EndCause
from speech_service.domain.work import DropReason, RecognizeKind
from tests.unit.sessions.checked_session import ENDPOINTING, FRAME, OPTIONS, QUIET, SPEECH
from tests.unit.sessions.drive import Drive

PARTIAL, FINAL = RecognizeKind.PARTIAL, RecognizeKind.FINAL
EXTERNAL = replace(OPTIONS, endpointing=replace(ENDPOINTING, mode=EndpointingMode.EXTERNAL))
FILE = replace(OPTIONS, pacing=Pacing.FILE, partial_results=False)


# --- results ---


def test_an_utterance_becomes_partials_and_one_final() -> None:
    drive = Drive().quiet(500).say(700)
    drive.done(drive.the(PARTIAL), "one two")
    drive.say(600)
    drive.done(drive.the(PARTIAL), "one two three")
    drive.quiet(800)
    drive.done(drive.the(FINAL), "one two three.").end()

    assert drive.events[0] == SessionStarted("s")
    assert [p.text for p in drive.partials] == ["one two", "one two three"]
    (final,) = drive.finals
    assert (final.text, final.end_cause, final.channel) == (
        "one two three.",
        EndCause.ENDPOINT,
        0,
    )
    assert final.revision == 3
    # Speech lay in 500..1800 ms; 300 ms before it and 192 ms behind belong to the segment.
    assert final.start_ms == pytest.approx(200, abs=64)
    assert final.end_ms == pytest.approx(1800 + 192, abs=64)
    assert drive.finish == Finish(None)


def test_speech_events_carry_times_of_the_stream() -> None:
    drive = Drive().quiet(1_000).say(500).quiet(1_000).end()
    drive.answer_all()
    begin, end = drive.speech_events
    assert (begin.kind, end.kind) == (SpeechEventKind.BEGIN, SpeechEventKind.END)
    assert begin.time_ms == pytest.approx(1_000, abs=64)
    assert end.time_ms == pytest.approx(1_500, abs=64)


def test_work_carries_the_newest_shown_hypothesis_as_its_draft() -> None:
    drive = Drive().say(700)
    first = drive.the(PARTIAL)
    assert first.draft_tokens == ()
    drive.done(first, "one", tokens=(7, 8)).say(500)
    second = drive.the(PARTIAL)
    assert second.draft_tokens == (7, 8)
    drive.done(second, "one two", tokens=(7, 9)).quiet(1_000)
    assert drive.the(FINAL).draft_tokens == (7, 9)


def test_partials_come_once_in_an_interval() -> None:
    drive = Drive(replace(OPTIONS, partial_interval_ms=500)).say(3_000, step_ms=20)
    lengths = [len(work.samples) for work in drive.waiting(PARTIAL)]
    assert 5 <= len(lengths) <= 6
    gaps = np.diff(lengths)
    assert all(8_000 <= gap < 8_000 + 2 * FRAME for gap in gaps)


def test_no_partials_where_none_are_wanted() -> None:
    drive = Drive(replace(OPTIONS, partial_results=False)).say(2_000)
    assert drive.waiting() == []
    drive.quiet(500)
    drive.done(drive.the(FINAL), "all").quiet(500)
    assert [r.text for r in drive.results] == ["all"]
    assert drive.results == drive.finals


def test_an_unchanged_or_empty_partial_is_not_sent() -> None:
    drive = Drive().say(700)
    drive.done(drive.the(PARTIAL), "").say(500)
    drive.done(drive.the(PARTIAL), "one").say(500)
    drive.done(drive.the(PARTIAL), "one")
    assert [p.text for p in drive.partials] == ["one"]


def test_a_partial_older_than_the_one_shown_is_not_sent() -> None:
    drive = Drive().say(700).say(500)
    older, newer = drive.waiting(PARTIAL)
    drive.done(newer, "one two").done(older, "one")
    assert [p.text for p in drive.partials] == ["one two"]


def test_a_partial_that_breaks_the_stable_prefix_is_not_sent() -> None:
    drive = Drive().say(200)
    for text in ("a b c", "a b c d", "a b c d e", "x y z", "a b c d e f"):
        drive.say(500)
        drive.done(drive.waiting(PARTIAL)[-1], text)
    assert [p.text for p in drive.partials] == ["a b c", "a b c d", "a b c d e", "a b c d e f"]
    assert [p.stable_char_count for p in drive.partials] == [0, 0, len("a b"), len("a b")]


@pytest.mark.parametrize("reason", list(DropReason))
def test_partials_that_fail_or_are_dropped_cost_nothing(reason: DropReason) -> None:
    drive = Drive().say(1_200)
    first, second = drive.waiting(PARTIAL)
    drive.dropped(first, reason).failed(second, InternalError("broken"))
    drive.quiet(800).answer_all("fine").end()
    assert [f.text for f in drive.finals] == ["fine"]
    assert drive.finish == Finish(None)


def test_closing_gives_up_partials_in_flight_and_ignores_their_late_answers() -> None:
    drive = Drive().say(700)
    partial = drive.the(PARTIAL)
    drive.finalize()
    assert drive.cancelled == [partial]
    drive.done(partial, "late")
    assert drive.results == []
    drive.answer_all("final")
    assert [r.text for r in drive.results] == ["final"]


# --- the FINAL computed ahead ---


def test_the_final_computed_in_a_pause_is_used_at_the_endpoint() -> None:
    drive = Drive().say(1_000).quiet(500)
    drive.done(drive.the(FINAL), "ready")
    assert [p.text for p in drive.partials] == ["ready"]
    assert drive.finals == []
    drive.quiet(300)
    assert drive.waiting() == []
    (final,) = drive.finals
    assert (final.text, final.lag_ms) == ("ready", 0)


def test_the_final_computed_ahead_that_still_runs_is_not_asked_for_twice() -> None:
    drive = Drive().say(1_000).quiet(500)
    ahead = drive.the(FINAL)
    drive.quiet(300)
    assert drive.the(FINAL) is ahead
    drive.now_s += 0.25
    drive.done(ahead, "soon")
    assert drive.finals[0].lag_ms == pytest.approx(250 + 100, abs=110)


def test_speech_after_a_pause_voids_the_final_computed_ahead() -> None:
    drive = Drive().say(1_000).quiet(500)
    ahead = drive.the(FINAL)
    drive.say(1_000)
    assert ahead in drive.cancelled
    drive.done(ahead, "too early").quiet(800)
    assert drive.finals == []
    final = drive.the(FINAL)
    assert len(final.samples) > len(ahead.samples)
    drive.done(final, "all of it")
    assert [f.text for f in drive.finals] == ["all of it"]


def test_an_answered_final_of_a_pause_is_void_when_speech_goes_on_at_once() -> None:
    drive = Drive().say(1_000).quiet(500)
    drive.done(drive.the(FINAL), "first half").say(200).finalize()
    assert drive.finals == []
    drive.answer_all("both halves")
    assert [f.text for f in drive.finals] == ["both halves"]


def test_a_final_computed_ahead_that_fails_is_asked_for_again() -> None:
    drive = Drive().say(1_000).quiet(500)
    drive.failed(drive.the(FINAL), InternalError("broken")).quiet(500)
    drive.done(drive.the(FINAL), "second try")
    assert [f.text for f in drive.finals] == ["second try"]


def test_a_file_computes_no_final_ahead() -> None:
    drive = Drive(FILE, unary=True).say(1_000).quiet(500)
    assert drive.waiting() == []
    drive.quiet(300)
    assert len(drive.waiting(FINAL)) == 1


# --- order and the end ---


def test_finals_leave_in_order_whatever_order_they_are_computed_in() -> None:
    drive = Drive().say(500).quiet(800).say(500).quiet(800).say(500).quiet(800)
    first, second, third = drive.waiting(FINAL)
    drive.done(third, "3").done(second, "2")
    assert drive.finals == []
    drive.done(first, "1")
    assert [f.text for f in drive.finals] == ["1", "2", "3"]
    assert [f.segment_id for f in drive.finals] == [1, 2, 3]


def test_last_words_are_the_finals_that_wait_for_one_before_them() -> None:
    drive = Drive(replace(OPTIONS, partial_results=False))
    for number in range(4):
        drive.say(500).finalize(f"f{number}")
    works = drive.waiting(FINAL)
    drive.done(works[1], "two").done(works[3], "four")
    assert not drive.finals
    drive.perform(drive.session.last_words())
    assert [final.text for final in drive.finals] == ["two", "four"]
    assert not drive.acks, "what they wait for has not come"
    drive.perform(drive.session.last_words())
    assert len(drive.finals) == 2


def test_channels_do_not_wait_for_each_other() -> None:
    drive = Drive(channels=2)
    drive.hears(lambda _, frames: [SPEECH] * len(frames))
    drive.audio(16_000).finalize()
    left, right = drive.waiting(FINAL)
    assert (left.segment.channel, right.segment.channel) == (0, 1)
    drive.done(right, "right")
    assert [(f.channel, f.text) for f in drive.finals] == [(1, "right")]
    assert drive.acks == []
    drive.done(left, "left")
    assert drive.acks == ["f"]


def test_each_channel_has_its_own_voice_activity() -> None:
    drive = Drive(channels=2)
    drive.hears(lambda channel, frames: [SPEECH if channel else QUIET] * len(frames))
    drive.audio(16_000).end().answer_all()
    assert [f.channel for f in drive.finals] == [1]
    assert [e.channel for e in drive.speech_events] == [1, 1]


def test_the_end_transcribes_what_is_buffered_down_to_the_last_sample() -> None:
    drive = Drive()
    drive.audio(16_000 + 200).end()
    work = drive.the(FINAL)
    assert len(work.samples) == 16_200
    drive.done(work, "everything")
    assert drive.finals[0].end_cause is EndCause.END_OF_STREAM
    assert drive.finals[0].end_ms == 16_200 // 16


def test_the_end_waits_for_all_finals_and_comes_once() -> None:
    drive = Drive().say(500).quiet(800).say(500).end().end()
    first, second = drive.waiting(FINAL)
    drive.done(second, "2")
    assert drive.finish is None
    drive.done(first, "1").end()
    assert drive.finish == Finish(None)
    assert drive.session.done


def test_a_stream_without_speech_has_no_results() -> None:
    drive = Drive().quiet(5_000).end()
    assert drive.results == []
    assert drive.finish == Finish(None)
    assert drive.ended.usage.speech_ms == 0
    assert drive.ended.usage.audio_in_ms == 5_000


def test_a_stream_without_audio_ends_well() -> None:
    assert Drive().end().finish == Finish(None)


def test_a_long_utterance_is_cut_and_nothing_is_lost() -> None:
    drive = Drive(replace(OPTIONS, partial_results=False)).say(10_000).end().answer_all()
    assert {f.end_cause for f in drive.finals[:-1]} == {EndCause.MAX_SEGMENT}
    intervals = drive.intervals(0)
    assert intervals[0][0] == 0
    assert intervals[-1][1] == 160_000
    assert all(a[1] == b[0] for a, b in itertools.pairwise(intervals))


def test_the_summary_adds_up() -> None:
    drive = Drive().quiet(1_000).say(1_000)
    drive.now_s += 0.5
    drive.done(drive.waiting(PARTIAL)[-1], "häi").end()
    drive.done(drive.the(FINAL), "häi wörld", tokens=(1, 2, 3))
    usage, latency = drive.ended.usage, drive.ended.latency
    assert (usage.audio_in_ms, usage.characters_out, usage.tokens_out) == (2_000, 9, 3)
    assert usage.speech_ms == pytest.approx(1_300, abs=64)
    assert (latency.encode_ms, latency.decode_ms) == (4, 8)
    assert latency.queue_ms == pytest.approx(1), "both waited at the same time"
    assert latency.total_ms == pytest.approx(2_500)
    assert latency.first_result_ms is not None
    assert 1_000 <= latency.first_result_ms <= 1_500
    assert latency.lag_p50_ms == latency.lag_p95_ms == 0
