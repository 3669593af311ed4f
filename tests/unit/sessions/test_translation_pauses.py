"""Text of a stream that pauses: a sentence that is finished is translated without the word behind it."""

import pytest

from speech_service.domain.work import TranslateWork
from tests.unit.sessions.translation_drive import DOWN, Drive


class Clocked(Drive):
    """A stream of text into one language."""

    def __init__(self, pause_ms: int = 200) -> None:
        super().__init__(targets=("pt",), sentence_pause_ms=pause_ms)

    def text(self, text: str) -> "Clocked":
        self.do(self.session.text(text))
        return self

    def wait(self, seconds: float) -> "Clocked":
        until_s = self.now_s + seconds
        while (at_s := self.session.wake_at_s) is not None and at_s <= until_s:
            self.now_s = max(self.now_s, at_s)
            self.do(self.session.wake())
        self.now_s = until_s
        return self

    def texts(self) -> list[str]:
        works = self.work.values()
        return [text for work in works if isinstance(work, TranslateWork) for text in work.texts]


@pytest.mark.parametrize(
    "text",
    [
        "Let me check that for you. ",
        "Sure!",
        "How are you?",
        "Good morning.\n",
        "He said yes. ",
        'She said: "Come in!" ',
        "It is over… ",
        "Really?! ",
        "We saw it (twice). ",
        "First line\n",
        "Wait! ",
    ],
)
def test_a_finished_sentence_is_translated_after_the_pause(text: str) -> None:
    drive = Clocked().text(text)
    assert drive.wait(0.19).texts() == []
    assert drive.wait(0.02).texts() == [text.strip()]
    assert drive.session.wake_at_s is None


@pytest.mark.parametrize("text", ["See Dr. ", "www.example.", "Hello there", "e.g. "])
def test_what_may_go_on_waits(text: str) -> None:
    drive = Clocked().text(text)
    assert drive.session.wake_at_s is None
    assert drive.wait(60).texts() == []
    drive.do(drive.session.end_of_input())
    assert drive.texts() == [text.strip()]


@pytest.mark.parametrize("text", ["It ends here.", "He said no. ", "In the U.S. "])
def test_what_might_go_on_is_translated_after_five_pauses(text: str) -> None:
    drive = Clocked().text(text)
    assert drive.wait(0.99).texts() == []
    assert drive.wait(0.02).texts() == [text.strip()]


def test_text_that_comes_in_time_puts_it_off() -> None:
    drive = Clocked()
    for token in ("One", " mo", "ment", ". "):
        drive.text(token).wait(0.15)
    assert drive.texts() == []
    assert drive.wait(0.06).texts() == ["One moment."]


@pytest.mark.parametrize("pause_ms", [50, 1000, 10_000])
def test_the_pause_is_an_option(pause_ms: int) -> None:
    drive = Clocked(pause_ms).text("Sure! ")
    assert drive.wait(pause_ms / 1000 - 0.01).texts() == []
    assert drive.wait(0.02).texts() == ["Sure!"]


def test_zero_waits_for_the_next_word() -> None:
    drive = Clocked(0).text("Sure! ")
    assert drive.wait(600).texts() == []
    assert drive.text("Now").texts() == ["Sure!"]


@pytest.mark.parametrize("end", ["finalize", "reset", "end", "fail"])
def test_a_stream_whose_text_is_over_asks_for_nothing(end: str) -> None:
    drive = Clocked().text("Sure! ")
    session = drive.session
    match end:
        case "finalize":
            drive.do(session.finalize("1"))
        case "reset":
            drive.do(session.reset("1", keep_context=False))
        case "end":
            drive.do(session.end_of_input())
        case _:
            drive.do(session.fail(DOWN))
    assert session.wake_at_s is None
    assert drive.texts() == ([] if end in ("reset", "fail") else ["Sure!"])
