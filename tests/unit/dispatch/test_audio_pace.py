"""What the next audio of a stream takes, learned from the steps of its engine."""

import pytest

from speech_service.dispatch.audio_pace import AudioPace

pytestmark = pytest.mark.unit

STEP_S = 0.01


def steps(pace: AudioPace, count: int) -> None:
    for _ in range(count):
        pace.stepped(STEP_S)


def test_nothing_is_known_of_a_work_before_its_first_audio() -> None:
    pace = AudioPace()
    steps(pace, 3)
    assert pace.next_audio_s("w") == 0.0


def test_a_chunk_takes_as_many_steps_as_the_chunk_in_its_place_has_ever_taken() -> None:
    pace = AudioPace()
    for chunk in (1, 2, 4, 8, 8, 8, 8, 8, 8, 8):
        steps(pace, chunk)
        pace.sounded("long")
    assert pace.next_audio_s("long") == pytest.approx(8 * STEP_S)
    for chunk, following in ((1, 2), (1, 4), (2, 8), (1, 8)):  # some are shorter than they may be
        steps(pace, chunk)
        pace.sounded("new")
        assert pace.next_audio_s("new") == pytest.approx(following * STEP_S)


def test_a_chunk_that_none_was_before_is_taken_to_be_twice_as_long_as_the_last() -> None:
    pace = AudioPace()
    expected = 1
    for chunk in (1, 2, 4):
        steps(pace, chunk)
        pace.sounded("w")
        expected *= 2
        assert pace.next_audio_s("w") == pytest.approx(expected * STEP_S)


def test_company_takes_as_many_steps() -> None:
    pace = AudioPace()
    for chunk in (1, 2, 4):
        steps(pace, chunk)
        pace.sounded("w")
    assert pace.next_audio_s("w", 2 * STEP_S) == pytest.approx(8 * 3 * STEP_S)


def test_steps_that_were_made_are_no_longer_to_be_made_and_one_is_always_left() -> None:
    pace = AudioPace()
    for chunk in (1, 2, 4):
        steps(pace, chunk)
        pace.sounded("w")
    steps(pace, 1)
    assert pace.next_audio_s("w") == pytest.approx(7 * STEP_S)
    steps(pace, 9)
    assert pace.next_audio_s("w") == pytest.approx(STEP_S)


def test_a_step_that_takes_long_once_changes_little_and_steps_that_all_do_change_it() -> None:
    pace = AudioPace()
    steps(pace, 20)
    pace.sounded("w")
    pace.stepped(10 * STEP_S)
    assert pace.next_audio_s("w") < 2.5 * STEP_S
    for _ in range(100):
        pace.stepped(10 * STEP_S)
    pace.sounded("w")
    assert pace.next_audio_s("w") > 9 * STEP_S


def test_who_has_ended_is_forgotten() -> None:
    pace = AudioPace()
    steps(pace, 1)
    pace.sounded("a")
    pace.sounded("b")
    pace.ended("a")
    pace.ended("unknown")
    assert pace.next_audio_s("a") == 0.0
    assert pace.next_audio_s("b") > 0.0
    pace.clear()
    assert pace.next_audio_s("b") == 0.0
