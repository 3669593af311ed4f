"""Pieces joined again are the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.sentences.pieces import TextPiece, chunks, cut


def joined(pieces: list[TextPiece]) -> str:
    return "".join(piece.before + piece.core + piece.after for piece in pieces)


@given(
    st.text(alphabet=st.sampled_from(list("abA. ,\n\r\t!?。、世")) | st.characters(), max_size=300),
    st.integers(1, 50),
)
def test_nothing_is_lost(text: str, max_chars: int) -> None:
    for pieces in (cut(text, max_chars), chunks(text, max_chars)):
        assert joined(pieces) == text
        assert all(len(piece.core) <= max_chars for piece in pieces)
        assert all(piece.core == piece.core.strip() for piece in pieces)


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("One. Two! Three? four.", ["One.", "Two!", "Three? four."]),
        ("Dr. Smith paid 3.50 at 5 p.m. He left.", ["Dr. Smith paid 3.50 at 5 p.m. He left."]),
        ('Wait... What? "Yes." No.', ["Wait...", "What?", '"Yes."', "No."]),
        ("早上好。你好吗\uff1f好", ["早上好。", "你好吗\uff1f", "好"]),
        ("One\nTwo", ["One", "Two"]),
        ("See x.org/a.b for J. R. Smith.", ["See x.org/a.b for J. R. Smith."]),
    ],
)
def test_sentences(text: str, cores: list[str]) -> None:
    assert [piece.core for piece in cut(text, 200) if piece.core] == cores


def test_long_sentences_are_cut_at_clauses_then_spaces() -> None:
    assert [p.core for p in cut("one two, three four five", 12)] == [
        "one two,",
        "three four",
        "five",
    ]


def test_chunks_are_few() -> None:
    text = "A short one. " * 100
    assert len([piece for piece in chunks(text, 130) if piece.core]) <= 11
