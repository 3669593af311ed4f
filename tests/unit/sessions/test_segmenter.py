"""The segmenter: rules of endpointing, and an exact account of every sample."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.recognition import Endpointing, EndpointingMode
from speech_service.domain.transcript import EndCause
from speech_service.sessions.recognition.segmenter import (
    PAUSE_MS,
    TAIL_MS,
    PauseBegan,
    SegmentClosed,
    Segmenter,
    SegmentEvent,
    SegmentOpened,
    SpeechBegan,
    SpeechEnded,
)

FRAME = 512
SPEECH, SILENCE = 0.9, 0.01


class Driver:
    """Feeds a segmenter with audio whose samples are their own positions."""

    def __init__(self, endpointing: Endpointing | None = None, first_id: int = 0) -> None:
        self.segmenter = Segmenter(endpointing or Endpointing(), first_id)
        self.position = 0
        self.events: list[SegmentEvent] = []

    def audio(self, count: int) -> np.ndarray:
        start, self.position = self.position, self.position + count
        return np.arange(start, start + count, dtype=np.float32)

    def frames(self, count: int, probability: float) -> "Driver":
        for _ in range(count):
            self.events += self.segmenter.push(self.audio(FRAME), probability)
        return self

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


def test_silence_alone_opens_nothing() -> None:
    driver = Driver().frames(500, SILENCE)
    assert driver.events == []
    assert driver.segmenter.finish() == []
    assert driver.segmenter.silence_samples == driver.position


def test_an_utterance_becomes_one_segment_with_preroll_and_tail() -> None:
    driver = Driver().frames(50, SILENCE).frames(30, SPEECH).frames(40, SILENCE)
    kinds = [type(event) for event in driver.events]
    assert kinds == [SpeechBegan, SegmentOpened, PauseBegan, SpeechEnded, SegmentClosed]
    closed = driver.of(SegmentClosed)[0]
    assert closed.cause is EndCause.ENDPOINT
    assert closed.start_sample == 50 * FRAME - 300 * 16
    assert closed.end_sample == 80 * FRAME + TAIL_MS * 16
    assert driver.of(SpeechBegan)[0].at_sample == 50 * FRAME
    assert driver.of(SpeechEnded)[0].at_sample == 80 * FRAME
    expected = np.arange(closed.start_sample, closed.end_sample, dtype=np.float32)
    np.testing.assert_array_equal(closed.audio, expected)


def test_a_blip_shorter_than_min_speech_is_silence() -> None:
    driver = Driver().frames(20, SILENCE).frames(2, SPEECH).frames(20, SILENCE)
    driver.frames(2, SPEECH).frames(20, SILENCE)
    assert driver.events == []


def test_hysteresis_keeps_speech_going_above_the_release_threshold() -> None:
    driver = Driver().frames(10, SPEECH).frames(60, 0.4)
    assert driver.of(SegmentClosed) == []
    driver.frames(30, 0.2)
    assert driver.of(SegmentClosed)[0].end_sample == 70 * FRAME + TAIL_MS * 16


def test_probability_between_the_thresholds_does_not_begin_speech() -> None:
    assert Driver().frames(100, 0.45).events == []


def test_the_audio_of_a_pause_is_the_audio_of_the_segment() -> None:
    driver = Driver().frames(30, SPEECH).frames(30, SILENCE)
    pause, closed = driver.of(PauseBegan)[0], driver.of(SegmentClosed)[0]
    assert pause.audio.tobytes() == closed.audio.tobytes()
    assert pause.end_sample == closed.end_sample


def test_speech_after_a_pause_goes_on_in_the_same_segment() -> None:
    pause_frames = PAUSE_MS // 32 + 1
    driver = Driver().frames(30, SPEECH).frames(pause_frames, SILENCE)
    assert driver.segmenter.in_pause
    driver.frames(10, SPEECH)
    assert not driver.segmenter.in_pause
    driver.frames(30, SILENCE)
    assert len(driver.of(PauseBegan)) == 2
    assert len(driver.of(SegmentClosed)) == 1


def test_later_views_extend_earlier_ones_and_stay_valid() -> None:
    driver = Driver()
    views = []
    for _ in range(300):
        driver.frames(1, SPEECH)
        view = driver.segmenter.open_audio()
        if view is not None:
            views.append((view, view.copy()))
    assert len(views) > 200
    for (view, copy), (later, _) in itertools.pairwise(views):
        np.testing.assert_array_equal(view, copy)
        np.testing.assert_array_equal(later[: len(view)], view)
    with pytest.raises(ValueError, match="read-only"):
        views[0][0][0] = 1.0


def test_a_long_segment_is_cut_at_the_next_short_pause() -> None:
    driver = Driver(Endpointing(soft_segment_ms=2000, max_segment_ms=8000))
    driver.frames(100, SPEECH).frames(6, SILENCE).frames(40, SPEECH)
    closed = driver.of(SegmentClosed)
    assert [event.cause for event in closed] == [EndCause.MAX_SEGMENT]
    assert closed[0].end_sample <= 106 * FRAME
    second = driver.of(SegmentOpened)[1]
    assert second.start_sample == closed[0].end_sample, "pre-roll stops at the previous segment"


def test_speech_without_a_pause_is_cut_at_its_quietest_point_and_goes_on() -> None:
    segmenter = Segmenter(Endpointing(max_segment_ms=4000, soft_segment_ms=4000))
    events: list[SegmentEvent] = []
    quiet = range(90, 93)
    for index in range(150):
        level = 0.001 if index in quiet else 0.5
        events += segmenter.push(np.full(FRAME, level, np.float32), SPEECH)
    closed = next(event for event in events if isinstance(event, SegmentClosed))
    opened = [event for event in events if isinstance(event, SegmentOpened)]
    assert closed.cause is EndCause.MAX_SEGMENT
    assert 90 * FRAME <= closed.end_sample <= 93 * FRAME
    assert opened[1].start_sample == closed.end_sample
    assert len([event for event in events if isinstance(event, SpeechBegan)]) == 1


@pytest.mark.parametrize("mode", [EndpointingMode.OFF, EndpointingMode.EXTERNAL])
def test_pauses_cut_in_mode_vad_only(mode: EndpointingMode) -> None:
    driver = Driver(Endpointing(mode=mode)).frames(30, SPEECH).frames(60, SILENCE)
    assert driver.of(SegmentClosed) == []
    assert len(driver.of(SpeechEnded)) == 1
    driver.frames(30, SPEECH)
    closed = driver.segmenter.finalize()
    assert [type(event) for event in closed] == [SegmentClosed]
    assert isinstance(closed[0], SegmentClosed)
    assert closed[0].cause is EndCause.FINALIZE
    assert closed[0].end_sample == 120 * FRAME


def test_silence_after_speech_does_not_grow_without_bound_in_mode_external() -> None:
    driver = Driver(Endpointing(mode=EndpointingMode.EXTERNAL))
    driver.frames(30, SPEECH).frames(2000, SILENCE)
    closed = driver.of(SegmentClosed)
    assert len(closed) == 1
    assert closed[0].end_sample == 30 * FRAME + TAIL_MS * 16


def test_speech_that_begins_as_a_segment_ends_goes_into_the_next() -> None:
    """Found by the session's state machine: the cut must not forget the speech that has just begun."""
    driver = Driver(
        Endpointing(
            mode=EndpointingMode.OFF,
            end_silence_ms=200,
            soft_segment_ms=900,
            max_segment_ms=1500,
            padding_ms=0,
        )
    )
    driver.frames(14, SPEECH).frames(13, SILENCE).frames(2, SPEECH).frames(8, SPEECH)
    driver.events += driver.segmenter.finish()
    spans = [(event.start_sample, event.end_sample) for event in driver.of(SegmentClosed)]
    assert spans[-1] == (27 * FRAME, 37 * FRAME)


def test_finalize_takes_speech_that_has_just_begun_into_the_open_segment() -> None:
    driver = Driver(Endpointing(mode=EndpointingMode.EXTERNAL))
    driver.frames(30, SPEECH).frames(40, SILENCE).frames(2, SPEECH)
    closed = driver.segmenter.finalize()[-1]
    assert isinstance(closed, SegmentClosed)
    assert closed.end_sample == driver.position


def test_finalize_without_an_open_segment_does_nothing() -> None:
    driver = Driver().frames(30, SILENCE)
    assert driver.segmenter.finalize() == []


def test_finalize_keeps_speech_that_is_still_too_short_to_count() -> None:
    driver = Driver().frames(30, SILENCE).frames(2, SPEECH)
    kinds = [type(event) for event in driver.segmenter.finalize(driver.audio(100))]
    assert kinds == [SpeechBegan, SegmentOpened, SegmentClosed]


def test_finalize_in_the_middle_of_speech_loses_nothing() -> None:
    driver = Driver().frames(30, SPEECH)
    first = driver.segmenter.finalize(driver.audio(77))[-1]
    driver.frames(30, SPEECH)
    second = driver.segmenter.finish(driver.audio(33))
    assert isinstance(first, SegmentClosed)
    last = next(event for event in second if isinstance(event, SegmentClosed))
    assert first.end_sample == last.start_sample == 30 * FRAME + 77
    assert last.end_sample == driver.position
    assert last.segment_id == first.segment_id + 1


def test_finish_takes_the_tail_and_says_that_speech_ended() -> None:
    driver = Driver(first_id=7).frames(30, SPEECH)
    events = driver.segmenter.finish(driver.audio(300))
    assert [type(event) for event in events] == [SegmentClosed, SpeechEnded]
    closed = events[0]
    assert isinstance(closed, SegmentClosed)
    assert (closed.segment_id, closed.cause) == (7, EndCause.END_OF_STREAM)
    assert closed.end_sample == 30 * FRAME + 300


def test_reset_forgets_audio_but_not_time() -> None:
    driver = Driver().frames(30, SPEECH)
    assert [type(event) for event in driver.segmenter.reset()] == [SpeechEnded]
    assert driver.segmenter.open_segment is None
    assert driver.segmenter.open_audio() is None
    driver.frames(30, SPEECH)
    closed = driver.segmenter.finish()[0]
    assert isinstance(closed, SegmentClosed)
    assert closed.start_sample == 30 * FRAME


def test_update_holds_from_the_next_frame_on() -> None:
    driver = Driver().frames(30, SPEECH).frames(10, SILENCE)
    driver.segmenter.update(Endpointing(end_silence_ms=320))
    driver.frames(1, SILENCE)
    assert len(driver.of(SegmentClosed)) == 1


def _runs() -> st.SearchStrategy[list[tuple[int, float, str]]]:
    probability = st.sampled_from([0.0, 0.2, 0.36, 0.45, 0.55, 0.95])
    after = st.sampled_from(["", "", "", "", "finalize", "update"])
    return st.lists(st.tuples(st.integers(1, 40), probability, after), max_size=25)


@given(
    runs=_runs(),
    mode=st.sampled_from(list(EndpointingMode)),
    max_ms=st.integers(500, 4000),
    soft_ms=st.integers(300, 4000),
    padding_ms=st.integers(0, 600),
    min_speech_ms=st.integers(0, 200),
    end_silence_ms=st.integers(100, 1200),  # the API's least
    tail=st.integers(0, FRAME - 1),
)
def test_every_sample_is_in_one_segment_or_in_silence(
    runs: list[tuple[int, float, str]],
    mode: EndpointingMode,
    max_ms: int,
    soft_ms: int,
    padding_ms: int,
    min_speech_ms: int,
    end_silence_ms: int,
    tail: int,
) -> None:
    endpointing = Endpointing(
        mode=mode,
        max_segment_ms=max_ms,
        soft_segment_ms=soft_ms,
        padding_ms=padding_ms,
        min_speech_ms=min_speech_ms,
        end_silence_ms=end_silence_ms,
    )
    driver = Driver(endpointing)
    spoken: list[tuple[int, int]] = []
    for count, probability, after in runs:
        spoken.append((driver.position, driver.position))
        driver.frames(count, probability)
        if probability >= max(endpointing.threshold, Endpointing().threshold):
            spoken[-1] = (spoken[-1][0], driver.position)
        if after == "finalize":
            driver.events += driver.segmenter.finalize(driver.audio(tail))
        elif after == "update":
            driver.segmenter.update(Endpointing(mode=mode, max_segment_ms=max_ms))
    driver.events += driver.segmenter.finish(driver.audio(tail))

    opened, closed = driver.of(SegmentOpened), driver.of(SegmentClosed)
    assert [event.segment_id for event in opened] == list(range(len(opened)))
    assert [event.segment_id for event in closed] == [event.segment_id for event in opened]
    for begin, end in spoken:
        if end - begin >= 16 * max(min_speech_ms, Endpointing().min_speech_ms, 1):
            inside = sum(
                max(0, min(end, event.end_sample) - max(begin, event.start_sample))
                for event in closed
            )
            assert inside == end - begin, "speech vanished"
    covered, end = 0, 0
    for event, opening in zip(closed, opened, strict=True):
        assert event.start_sample == opening.start_sample >= end
        expected = np.arange(event.start_sample, event.end_sample, dtype=np.float32)
        np.testing.assert_array_equal(event.audio, expected)
        assert len(event.audio) > 0
        covered, end = covered + len(event.audio), event.end_sample
    assert end <= driver.position
    assert covered + driver.segmenter.silence_samples == driver.position


@given(runs=_runs(), end_silence_ms=st.integers(PAUSE_MS, 1200))
def test_a_segment_ends_as_its_last_pause_said_unless_speech_went_on(
    runs: list[tuple[int, float, str]], end_silence_ms: int
) -> None:
    driver = Driver(Endpointing(end_silence_ms=end_silence_ms))
    said: PauseBegan | None = None

    def check(events: list[SegmentEvent]) -> None:
        nonlocal said
        for event in events:
            if isinstance(event, PauseBegan):
                said = event
            elif isinstance(event, SegmentClosed):
                if said is not None:
                    assert event.audio.tobytes() == said.audio.tobytes()
                said = None

    for count, probability, after in runs:
        for _ in range(count):
            check(driver.segmenter.push(driver.audio(FRAME), probability))
            if not driver.segmenter.in_pause:
                said = None
        if after == "finalize":
            check(driver.segmenter.finalize())
    check(driver.segmenter.finish())
