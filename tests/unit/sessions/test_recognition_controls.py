"""RecognitionSession by example: control messages and failures. Drive checks every action on the way."""

from dataclasses import replace

import numpy as np
import pytest

from speech_service.domain.errors import (
    DeadlineError,
    InternalError,
    InvalidOptionError,
    LimitExceededError,
    UnavailableError,
)
from speech_service.domain.events import (
    Finish,
    SpeechEventKind,
    StreamWarning,
)
from speech_service.domain.recognition import EndpointingMode, Pacing
from speech_service.domain.transcript import EndCause
from speech_service.domain.work import DropReason, RecognizeKind
from speech_service.sessions.recognition.session import (
    MAX_OPEN_CONTROLS,
    MAX_SILENCE_MS,
)
from tests.unit.sessions.checked_session import ENDPOINTING, FRAME, OPTIONS, QUIET, SPEECH
from tests.unit.sessions.drive import Drive

PARTIAL, FINAL = RecognizeKind.PARTIAL, RecognizeKind.FINAL
EXTERNAL = replace(OPTIONS, endpointing=replace(ENDPOINTING, mode=EndpointingMode.EXTERNAL))
FILE = replace(OPTIONS, pacing=Pacing.FILE, partial_results=False)


# --- failures ---


def test_a_failed_final_ends_the_stream_and_gives_up_everything_else() -> None:
    drive = Drive().say(500).quiet(800).say(1_200)
    final, partials = drive.the(FINAL), drive.waiting(PARTIAL)
    error = DeadlineError("too late")
    drive.failed(final, error)
    assert drive.finish == Finish(error)
    assert set(partials) <= set(drive.cancelled)


def test_a_lost_final_ends_the_stream_instead_of_hanging_it() -> None:
    drive = Drive().say(500).quiet(800)
    drive.dropped(drive.the(FINAL), DropReason.CANCELLED)
    assert drive.finish is not None
    assert isinstance(drive.finish.error, UnavailableError)
    assert drive.finish.error.reason == "WORK_LOST"


def test_nothing_comes_after_the_end() -> None:
    drive = Drive().say(2_000)
    work = drive.waiting(PARTIAL)[0]
    drive.perform(drive.session.fail(InternalError("over")))
    session = drive.session
    assert session.fail(InternalError("again")) == []
    assert session.audio(np.zeros((1_600, 1), np.float32)) == []
    assert session.silence(100) == []
    assert session.finalize("f") == session.reset("r", True) == session.update(OPTIONS, "u") == []
    assert session.end_of_input() == session.tick() == session.going_away(1) == []
    assert session.warn(StreamWarning("R", "f", "m")) == []
    assert session.probabilities(np.zeros(3, np.float32)) == []
    drive.done(work, "late")
    assert drive.results == []


def test_audio_after_the_end_of_audio_is_out_of_order() -> None:
    drive = Drive().say(500).end()
    with pytest.raises(InvalidOptionError, match=r"^audio: came after end_of_audio") as caught:
        drive.audio(100)
    assert caught.value.reason == "OUT_OF_ORDER"
    with pytest.raises(InvalidOptionError, match=r"^finalize: "):
        drive.session.finalize("x")


def test_another_number_of_channels_is_refused() -> None:
    drive = Drive(channels=2).say(100)
    with pytest.raises(InvalidOptionError, match=r"^audio: has 3 channels") as caught:
        drive.session.audio(np.zeros((10, 3), np.float32))
    assert caught.value.allowed == "2"


@pytest.mark.parametrize("ms", [0, -1, MAX_SILENCE_MS + 1])
def test_silence_out_of_range_is_refused(ms: int) -> None:
    with pytest.raises(InvalidOptionError, match=r"^silence: "):
        Drive().session.silence(ms)


def test_a_client_cannot_pile_up_controls() -> None:
    drive = Drive().say(500).finalize()
    for number in range(MAX_OPEN_CONTROLS - 1):
        drive.session.finalize(f"more{number}")
    with pytest.raises(LimitExceededError) as caught:
        drive.session.finalize("one too many")
    assert caught.value.option == "control_id"


# --- control messages ---


def test_controls_with_nothing_to_do_are_acknowledged_at_once() -> None:
    drive = Drive().finalize("a").reset("b").update(OPTIONS, "c").quiet(500).finalize("d")
    assert drive.acks == ["a", "b", "c", "d"]


def test_the_ack_of_finalize_follows_its_final_and_names_it() -> None:
    drive = Drive().say(500).quiet(800).answer_all().say(500).finalize()
    assert drive.acks == []
    drive.done(drive.the(FINAL), "second")
    assert drive.acks == ["f"]
    assert drive.finals[-1].end_cause is EndCause.FINALIZE
    assert drive.finals[-1].segment_id == 2  # Drive checks that the ack says so


def test_finalize_uses_the_final_computed_ahead() -> None:
    drive = Drive(EXTERNAL).say(1_000).quiet(500)
    drive.done(drive.the(FINAL), "turn").finalize()
    assert drive.waiting() == []
    assert (drive.finals[0].text, drive.finals[0].end_cause) == ("turn", EndCause.FINALIZE)
    assert drive.acks == ["f"]


def test_finalize_counts_audio_shorter_than_a_frame() -> None:
    drive = Drive()
    drive.audio(10_000).finalize()
    assert len(drive.the(FINAL).samples) == 10_000
    drive.audio(10_000).finalize()
    drive.answer_all().end()
    assert drive.intervals(0) == [(0, 10_000), (10_000, 20_000)]


def test_acks_come_in_the_order_of_their_controls() -> None:
    drive = Drive().say(500).finalize("a").update(OPTIONS, "b").reset("c")
    assert drive.acks == []
    drive.answer_all()
    assert drive.acks == ["a", "b", "c"]


def test_reset_drops_the_open_segment_and_keeps_closed_ones() -> None:
    drive = Drive().say(500).quiet(800).say(1_200)
    closed, partials = drive.the(FINAL), drive.waiting(PARTIAL)
    drive.reset()
    assert drive.waiting() == [closed]
    assert set(partials) <= set(drive.cancelled)
    assert drive.acks == []
    drive.done(closed, "kept")
    assert drive.acks == ["r"]
    drive.quiet(1_000).end()
    assert [f.text for f in drive.finals] == ["kept"]


def test_times_go_on_after_resets_between_frames() -> None:
    drive = Drive()
    drive.hears(lambda _, frames: [QUIET] * len(frames))
    for _ in range(10):
        drive.audio(FRAME + 300).reset()
    start = drive.position
    drive.hears(lambda _, frames: [SPEECH] * len(frames))
    drive.audio(16_000).end().answer_all()
    assert drive.intervals(0) == [(start, start + 16_000)]
    assert drive.finals[0].start_ms == start // 16


@pytest.mark.parametrize(("keep", "context"), [(True, "names"), (False, "")])
def test_reset_keeps_context_or_not(keep: bool, context: str) -> None:
    drive = Drive(replace(OPTIONS, context="names")).say(500).reset(keep_context=keep)
    assert drive.session.options.context == context
    drive.say(500).finalize()
    assert drive.the(FINAL).context == context


def test_an_update_holds_from_the_next_segment_on() -> None:
    drive = Drive(replace(OPTIONS, context="old")).say(1_000)
    new = replace(OPTIONS, context="new", language="pt", partial_results=False)
    drive.update(new)
    assert drive.acks == ["u"]
    drive.say(700).finalize()
    assert {w.context for w in drive.waiting()} == {"old"}
    drive.answer_all().say(1_500).finalize()
    (work,) = drive.waiting()
    assert (work.kind, work.context, work.language) == (FINAL, "new", "pt")


def test_updated_endpointing_waits_for_the_open_segment() -> None:
    drive = Drive(EXTERNAL).say(500).update(OPTIONS).quiet(1_000)
    assert drive.speech_events[-1].kind is SpeechEventKind.END
    drive.answer_all()
    assert drive.finals == []  # pauses do not end this segment yet
    drive.finalize().answer_all().say(500).quiet(800).answer_all()
    assert [f.end_cause for f in drive.finals] == [EndCause.FINALIZE, EndCause.ENDPOINT]


def test_updated_endpointing_holds_at_once_where_no_segment_is_open() -> None:
    drive = Drive(EXTERNAL).quiet(300).update(OPTIONS).say(500).quiet(800).answer_all()
    assert [f.end_cause for f in drive.finals] == [EndCause.ENDPOINT]
