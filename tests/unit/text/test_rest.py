"""Which text is finished when no more comes for a while."""

# ruff: noqa: RUF001 - punctuation of many scripts is what is tested

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.synthesis import Segmentation
from speech_service.text.sentences.cutter import LONG_PAUSES, SentenceSplitter

FINISHED = [
    ("en", "Let me check that for you. "),
    ("en", "Sure! "),
    ("en", "Sure!"),
    ("en", "How are you?"),
    ("en", "one\n"),
    ("en", 'He said "Go!" '),
    ("en", "(Really?)"),
    ("en", "It was in 2019. "),
    ("en", "Wait... "),
    ("en", "Well… "),
    ("en", "That's it.\n"),
    ("en", "What?! "),
    ("en", "It weighs 3.5 kilograms. "),
    ("en", "Dr. Smith is here. "),
    ("fr", "Ça va ?"),
    ("fr", "Vraiment !"),
    ("es", "¿Qué tal?"),
    ("zh", "你好。"),
    ("zh", "真的吗？"),
    ("ja", "「はい。」"),
    ("hi", "नमस्ते। "),
    ("hi", "नमस्ते।"),
    ("hi", "आप कैसे हैं?"),
    ("bn", "ধন্যবাদ।"),
    ("ur", "یہ ہے۔"),
    ("hy", "Բարեւ։"),
    ("am", "ሰላም።"),
    ("ta", "நன்றி!"),
    ("th", "จริงหรือ?"),
    ("ar", "كيف حالك؟"),
]
MAY_GO_ON = [
    ("en", "See Dr. "),
    ("en", "Version 3.5"),
    ("en", "It is e.g. "),
    ("en", "J. "),
    ("en", "1. "),
    ("en", "Mr.\n"),
    ("en", "www.example."),
    ("en", "bob@site."),
    ("en", "https://example.com/?"),
    ("en", "i.e. "),
    ("en", "v1."),
    ("en", "v1.2."),
    ("en", "open file.t."),
    ("en", "J. R. "),
    ("en", "It is e.g."),
    ("en", "http://localhost."),
    ("en", "a.b!"),
    ("en", "if y !"),
    ("en", "Hello there "),
    ("en", "..."),
    ("en", "! "),
    ("de", "Am 3. "),
    ("de", "z.B. "),
    ("zh", "版本3．"),
    ("zh", "你好，"),
]
LATE = [
    *(("en", each) for each in (
        "In the U.S. ",
        "In the U.S.",
        "At 5 p.m. ",
        "She works at Acme Inc. ",
        "See fig. ",
        "It ends here.",
        "example.",
        "It is 3.",
        "The answer is no. ",
        "Let me check that for you.",
        "He said \"no.\"",
        "Your total is 45.",
        "It's Mary's well-known one.",
        "Wait...",
        "Okay…",
        "It costs $3.",
        "It costs $3.50.",
        "It is 50%.",
        "It leaves at 10:30.",
        "That is 20°C.",
        "Call (555) 123-4567.",
        "It is open 24/7.",
        "Use C++.",
        "Ask AT&T.",
        "It was COVID-19.",
        "The 3rd.",
        "He said \"no\".",
        "(It is done).",
        "It is **done**.",
        "It is `ok`.",
        "See [1].",
        "Good 😀.",
        "Take plan B. ",
        "That is vitamin C.",
        "He lives in Washington, D.C. ",
        "As shown by Smith et al. ",
    )),
    ("pt", "Um momento, por favor."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text"), LATE)
def test_what_might_go_on_ends_after_a_long_pause(language: str, text: str) -> None:
    splitter = SentenceSplitter(language=language)
    before = splitter.push(text)
    assert splitter.pauses_to_rest == LONG_PAUSES or (before and not splitter.pending)
    assert "".join(piece.text for piece in [*before, *splitter.rest()]) == text


@pytest.mark.parametrize(("language", "text"), FINISHED)
def test_a_finished_sentence_may_rest(language: str, text: str) -> None:
    splitter = SentenceSplitter(language=language)
    before = splitter.push(text)
    assert splitter.pauses_to_rest == 1
    assert "".join(piece.text for piece in [*before, *splitter.rest()]) == text
    assert not splitter.pauses_to_rest
    assert not splitter.rest()


@pytest.mark.parametrize(("language", "text"), MAY_GO_ON)
def test_what_may_go_on_waits(language: str, text: str) -> None:
    splitter = SentenceSplitter(language=language)
    splitter.push(text)
    assert not splitter.pauses_to_rest
    assert not splitter.rest()
    assert splitter.pending == text


def test_an_open_sentence_behind_a_finished_one_waits() -> None:
    splitter = SentenceSplitter()
    pieces = splitter.push('Done. "')
    assert [piece.text for piece in pieces] == []
    assert [piece.text for piece in splitter.rest()] == ["Done. "]
    assert splitter.pending == '"'


def test_clauses_rest_where_clauses_are_cut() -> None:
    text = "Well, let me see about that, "
    assert not SentenceSplitter(Segmentation.SENTENCE).push(text)
    splitter = SentenceSplitter(Segmentation.CLAUSE)
    splitter.push(text)
    assert [piece.text for piece in splitter.rest()] == [text]
    for short in ("Well, ", "It costs more than 1,"):
        splitter = SentenceSplitter(Segmentation.CLAUSE)
        splitter.push(short)
        assert not splitter.pauses_to_rest


@pytest.mark.parametrize("mode", [Segmentation.MANUAL, Segmentation.IMMEDIATE])
def test_the_other_modes_never_rest(mode: Segmentation) -> None:
    splitter = SentenceSplitter(mode)
    splitter.push("Sure! ")
    assert not splitter.pauses_to_rest
    assert not splitter.rest()


TOKENS = st.lists(
    st.sampled_from(
        ["Hello", " Dr.", ". ", "!", "? ", "\n", " 3", ".", "5", " U.S.", "。", '"', " I", ", "]
    ),
    max_size=14,
)


@given(TOKENS, st.sets(st.integers(0, 14)), st.sampled_from(list(Segmentation)))
def test_no_text_is_lost_or_said_twice_wherever_it_pauses(
    tokens: list[str], pauses: set[int], mode: Segmentation
) -> None:
    splitter, at = SentenceSplitter(mode), 0
    pieces = []
    for index, token in enumerate(tokens):
        pieces += splitter.push(token)
        if index in pauses:
            told = splitter.pauses_to_rest > 0
            rested = splitter.rest()
            assert bool(rested) == told
            pieces += rested
    pieces += splitter.flush()
    for piece in pieces:
        assert piece.char_start == at
        at = piece.char_end
    assert "".join(piece.text for piece in pieces) == "".join(tokens)


@given(TOKENS, st.data())
def test_without_pauses_the_cuts_are_those_of_the_whole_text(
    tokens: list[str], data: st.DataObject
) -> None:
    text = "".join(tokens)
    whole, parts = SentenceSplitter(), SentenceSplitter()
    expected = [*whole.push(text), *whole.flush()]
    found = []
    for token in tokens:
        found += parts.push(token)
        if data.draw(st.booleans()):
            _ = parts.pauses_to_rest  # a look changes nothing
    assert [*found, *parts.flush()] == expected
