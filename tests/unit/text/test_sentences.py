"""Text is cut where it is spoken at once: the same way however it arrives, and nothing is lost."""

# ruff: noqa: RUF001 - punctuation of many scripts is what is tested

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.synthesis import Segmentation
from speech_service.text.sentences.cutter import MAX_PIECE, SentencePiece, SentenceSplitter
from speech_service.text.sentences.rules import LOOK_AHEAD

# A bar is where a cut is expected.
ENGLISH = [
    "Hello there. |How are you? |Fine!",
    "Dr. Smith met Mrs. Jones at St. Paul's. |They talked.",
    "She has a Ph.D. from M.I.T. and an M.A. too. |Good.",
    "He lives in the U.S. |He said so. |The U.S. Army is big.",
    "Come at 5 p.m. |Then we eat. |It was 6 a.m. when he left.",
    "Use tools, e.g. a saw, i.e. this one, etc. and so on. |Done.",
    "It costs $3.50. |Pi is 3.14159. |Version 2.10.3 is out.",
    "See https://example.com/a.b?x=1.2 or mail a.b@c.co.uk. |Thanks.",
    "Wait... what? |Well… maybe. |And then... |Nothing.",
    "\u201cStop!\u201d he said. |\u201cWhy?\u201d |She left. |(It was late.) |Then bye.",
    'He asked: "Who?" |She said "me." |Then silence.',
    "J. K. Rowling wrote it. |It is I. |He knows.",
    "No. |He said no. 7 is out. |See Fig. 3 on p. 12. |Ok.",
    "Apple Inc. is big. |He works at Apple Inc. |The end.",
    "On Jan. 5 it snowed. |It was Jan. |The end.",
    "1. First item. |2. Second item.",
    "What?! |No way!! |Yes.",
    "Great!\U0001f600 |Next \U0001f389 one. |Bye",
    "**Bold.** |Next *one.*",
    "Is it? yes, it is! and more. |IPhones too.",
    "First line\n|Second line\n\n|third paragraph",
    "a line that was wrapped\nin the middle. |Next.",
    "Mr.\nSmith came. |Good.",
]
OTHERS = [
    ("zh", "你好。|今天天气很好！|你呢？|「好的。」|他说。|再见"),
    ("ja", "これはペンです。|本当ですか？|はい！"),
    ("zh", "我用iPhone 15。|版本3．5很好。|OK. |Good."),
    ("zh", "Mixed 文字。|End. |好"),
    ("hi", "यह एक वाक्य है। |यह दूसरा है।"),
    ("ar", "كيف حالك؟ |أنا بخير."),
    ("es", "¿Qué tal? |¡Bien! |El Sr. García no vino. |Dr. Ruiz sí."),
    ("de", "Er kam am 3. März. |Dann ging er, z.B. nach Hause. |Gut."),
]
_BITS = [*"abAB.. ,!?\n\"')(é你。，12…—😀", "\u200d", "U.S. ", "Dr. ", "e.g.", "He ", "\ud800"]
TEXTS = st.lists(st.sampled_from(_BITS), max_size=120).map("".join)
MODES = st.sampled_from([Segmentation.SENTENCE, Segmentation.CLAUSE])


def split(
    text: str, mode: Segmentation, language: str = "en", **options: int
) -> list[SentencePiece]:
    splitter = SentenceSplitter(mode, language, **options)
    return splitter.push(text) + splitter.flush()


@pytest.mark.parametrize("marked", ENGLISH)
def test_english(marked: str) -> None:
    pieces = split(marked.replace("|", ""), Segmentation.SENTENCE)
    assert [piece.text for piece in pieces] == marked.split("|")


@pytest.mark.parametrize(("language", "marked"), OTHERS)
def test_other_languages(language: str, marked: str) -> None:
    pieces = split(marked.replace("|", ""), Segmentation.SENTENCE, language)
    assert [piece.text for piece in pieces] == marked.split("|")


def test_clauses() -> None:
    marked = (
        "Yes, I think that we should go to the park, |and then, after a long lunch, |"
        "we may eat some ice cream; |it is 1,000 m away\u2014not far: |good. |我们今天去公园，|好吗？"
    )
    pieces = split(marked.replace("|", ""), Segmentation.CLAUSE)
    assert [piece.text for piece in pieces] == marked.split("|")


def test_immediate_ends_with_every_push_that_has_a_word() -> None:
    splitter = SentenceSplitter(Segmentation.IMMEDIATE)
    assert [p.text for p in splitter.push("Hello")] == ["Hello"]
    assert splitter.push(" ...") == []
    assert splitter.push(" you") == [SentencePiece(" ... you", 5, 13)]
    assert splitter.push("!") == []
    assert [p.text for p in splitter.flush()] == ["!"]


def test_manual_waits_for_flush() -> None:
    splitter = SentenceSplitter(Segmentation.MANUAL)
    assert splitter.push("One. Two.\n\nThree") == []
    assert [p.text for p in splitter.flush()] == ["One. ", "Two.\n\n", "Three"]
    assert splitter.pending == ""
    assert splitter.push("Four.") == []
    assert splitter.flush() == [SentencePiece("Four.", 16, 21)]


@given(st.data(), TEXTS, MODES, st.sampled_from([2, 7, 40, MAX_PIECE]))
def test_pieces_cover_the_text_however_it_arrives(
    data: st.DataObject, text: str, mode: Segmentation, max_piece: int
) -> None:
    whole = split(text, mode, max_piece=max_piece)
    assert "".join(piece.text for piece in whole) == text
    position = 0
    for piece in whole:
        assert (piece.char_start, piece.char_end) == (position, position + len(piece.text))
        assert 0 < len(piece.text) <= max_piece
        position = piece.char_end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=30)))
    splitter = SentenceSplitter(mode, max_piece=max_piece)
    pieces: list[SentencePiece] = []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        pieces += splitter.push(text[begin:end])
    assert pieces + splitter.flush() == whole


@given(TEXTS)
def test_text_never_waits_for_long(text: str) -> None:
    """What is pending is less than the longest piece and what a rule may look ahead."""
    splitter = SentenceSplitter(Segmentation.SENTENCE, max_piece=40)
    for char in text * 3:
        splitter.push(char)
        assert len(splitter.pending) < 40 + LOOK_AHEAD


def test_a_sentence_is_out_with_the_first_letter_of_the_next() -> None:
    splitter = SentenceSplitter()
    assert splitter.push("It works.") == []
    assert splitter.push(" ") == []
    assert [p.text for p in splitter.push("N")] == ["It works. "]
    assert [p.text for p in splitter.push("ext\n\n")] == ["Next\n\n"]


@pytest.mark.parametrize(
    "unit", ["x", "好", "a\u0301", "👨\u200d👩\u200d👧", "1", " ", "\n", ".", "!? "]
)
def test_text_without_a_break_is_bounded(unit: str) -> None:
    text = (unit * 10_000)[:10_000]
    pieces = split(text, Segmentation.SENTENCE)
    assert "".join(piece.text for piece in pieces) == text
    assert max(len(piece.text) for piece in pieces) <= MAX_PIECE


def test_a_forced_cut_is_at_the_best_place() -> None:
    words = "word " * 100
    assert all(piece.text.endswith(" ") for piece in split(words, Segmentation.SENTENCE))
    clauses = "several words in a clause, " * 30
    assert all(piece.text.endswith(", ") for piece in split(clauses, Segmentation.SENTENCE))
    marks = "a\u0301" * 1000
    assert all(piece.text[0] == "a" for piece in split(marks, Segmentation.SENTENCE))


def test_a_megabyte_takes_no_time() -> None:
    text = "Hello there my friend, this is nice. " * 28_000
    begin_s = time.process_time()
    pieces = split(text, Segmentation.SENTENCE)
    assert len(pieces) == 28_000
    assert time.process_time() - begin_s < 10


def test_a_piece_has_at_least_two_characters_of_room() -> None:
    with pytest.raises(ValueError, match="1"):
        SentenceSplitter(max_piece=1)
