"""How long speech may last: in proportion to the text, and what is as long as that was cut."""

import pytest

from speech_service.domain.synthesis import SpeechFinish
from speech_service.engines.speech_budget import FRAMES_PER_S, finish_of, most_frames


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Huh?", 5.9),
        ("Hello there, how are you today?", 14.7),
        ("1234567890", 14.0),
        ("今天天气很好。", 11.0),
        ("Доброе утро", 7.3),
    ],
)
def test_it_grows_with_what_there_is_to_say(text: str, seconds: float) -> None:
    assert most_frames(text, 10_000) == pytest.approx(seconds * FRAMES_PER_S, abs=1)


def test_the_backends_own_limit_holds() -> None:
    assert most_frames("word " * 1_000, 2_048) == 2_048


@pytest.mark.parametrize(
    ("frames", "finish"),
    [
        (10, SpeechFinish.COMPLETE),
        (18.9, SpeechFinish.COMPLETE),
        (19, SpeechFinish.LENGTH_LIMIT),
        (20, SpeechFinish.LENGTH_LIMIT),
    ],
)
def test_what_is_as_long_as_it_may_be_was_cut(frames: float, finish: SpeechFinish) -> None:
    samples = round(frames * 24_000 / FRAMES_PER_S)
    assert finish_of(samples, 24_000, 20) is finish
