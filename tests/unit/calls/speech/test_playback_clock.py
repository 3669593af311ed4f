"""The playback clock: what is silence, and whose fault it is."""

import pytest

from speech_service.calls.speech.playback_clock import Continued, PlaybackClock


class Stream:
    """A clock, and audio of 100 ms that is ready when it is sent unless it says otherwise."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.clock = PlaybackClock(lambda: self.now_s)

    def send(
        self, now_s: float, *, turn: int = 1, ready_s: float | None = None, asked_s: float = 0.0
    ) -> Continued | None:
        self.now_s = now_s
        return self.clock.sent(turn, 100.0, now_s if ready_s is None else ready_s, asked_s)


def test_audio_in_time_fills_the_buffer() -> None:
    stream = Stream()
    assert stream.send(0.0) is None
    for left_s in (0.06, 0.16):
        continued = stream.send(0.04)
        assert continued is not None
        assert continued.buffer_s == pytest.approx(left_s)
        assert not continued.is_underrun


def test_late_audio_is_an_underrun_and_playing_goes_on_from_there() -> None:
    stream = Stream()
    stream.send(0.0)
    assert stream.send(0.15) == Continued(0.0, True)
    after = stream.send(0.20)
    assert after is not None
    assert (after.buffer_s, after.is_underrun) == (pytest.approx(0.05), False)


def test_what_was_ready_in_time_and_taken_late_is_no_underrun() -> None:
    stream = Stream()
    stream.send(0.0)
    taken_late = stream.send(5.0, ready_s=0.05)
    assert taken_late is not None
    assert (taken_late.buffer_s, taken_late.is_underrun) == (pytest.approx(0.05), False)


def test_text_that_came_after_silence_fell_is_no_underrun() -> None:
    stream = Stream()
    stream.send(0.0)
    assert stream.send(0.5, asked_s=0.3) == Continued(0.0, False)
    assert stream.send(0.9, asked_s=0.3) == Continued(0.0, True)


def test_a_context_begins_after_the_one_before_and_never_late() -> None:
    stream = Stream()
    stream.send(0.0)
    stream.send(0.0)
    assert stream.send(0.0, turn=2) is None
    after = stream.send(0.1, turn=2)
    assert after is not None
    assert after.buffer_s == pytest.approx(0.2)


def test_an_interrupted_client_has_nothing_left() -> None:
    stream = Stream()
    for _ in range(50):
        stream.send(0.0)
    stream.clock.stop()
    assert stream.send(0.1) is None
    after = stream.send(0.15)
    assert after is not None
    assert after.buffer_s == pytest.approx(0.05)
