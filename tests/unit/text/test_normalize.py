"""What the embedded model reads wrongly is written out; the rest stays as it is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.english.normalize import normalize, spoken

# ruff: noqa: RUF001 - typographic signs are what is tested


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "See https://www.example.com/foo?x=1.",
            "See W.W.W dot example dot com slash foo question mark x equals one.",
        ),
        ("Run setup.py or Node.js", "Run setup dot P.Y or Node dot J.S"),
        ("Call (555) 123-4567 now", "Call five five five, one two three, four five six seven now"),
        ("$5, 10", "five dollars, ten"),
        (
            "Use **bold**, `code`, _it_ and [a link](http://x.y/z).",
            "Use bold, code, it and a link.",
        ),
        ("# Title\n- one\n* two\n---\n> three", "Title\none\ntwo\nthree"),
        ("<b>hi</b> AT&amp;T", "hi A.T and T"),
        ("[evil](/hˈI/) [x]", "evil x"),
        ("２ ｋｍ", "two kilometers"),
        ("٣ apples and x² ①", "three apples and x squared one"),
        ("End.Next", "End.Next"),
        ("It's John's; don't. Rock 'n' roll.", "It's John's; don't. Rock 'n' roll."),
        ("He waited... Then — at last — no.", "He waited... Then — at last — no."),
    ],
)
def test_written_out(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_what_is_said_knows_where_it_comes_from() -> None:
    text = "Pay  $5.50 \u200bnow, at 2 1/2 km!"
    said = spoken(text)
    assert said.text == "Pay five dollars and fifty cents now, at two and a half kilometers!"

    def source(words: str) -> str:
        at = said.text.index(words)
        return slice_of(text, said.source(at, at + len(words)))

    assert source("Pay") == "Pay"
    assert source("fifty cents") == source("five") == "$5.50"
    assert source("now") == "\u200bnow,"
    assert source("two and a half") == "2 1/2"
    assert source("kilometers") == "km"


def slice_of(text: str, span: tuple[int, int]) -> str:
    return text[span[0] : span[1]]


def test_other_languages_are_only_cleaned() -> None:
    assert normalize("Cuesta $5 \u00adhoy", "es-MX") == "Cuesta $5 hoy"


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    """And a pronunciation can never be smuggled in: the model's syntax for one needs brackets."""
    said = normalize(text)
    assert not set("[]") & set(said)
    assert not any(char.isdigit() for char in said), "no digit is left to the model"


@given(st.lists(st.sampled_from([*"0123456789.,:/-+%$€£'\" ax", "1/2", "km", "no.", "²", "½"])))
def test_signs_in_any_order_are_taken(signs: list[str]) -> None:
    said = spoken("".join(signs))
    assert not any(char.isdigit() for char in said.text)
    places = [said.source(at, at + 1) for at in range(len(said.text))]
    assert places == sorted(places), "what is said keeps the order of what is written"


@pytest.mark.parametrize(
    "unit", ["[", "*", "`", "a.", "1.", "<a", "$1", "http://", "a@", "\u00a0000"]
)
def test_no_text_is_slow(unit: str) -> None:
    """Compared with what the same length of everyday text takes, on the same machine at the same time."""
    warm, usual = "She bought 12 apples for $3.50 on 4/5. ", 2_000
    normalize(warm)
    spent: dict[str, float] = {}
    for text in (warm, unit):
        begin_s = time.thread_time()
        normalize(text * (usual // len(text)))
        spent[text] = time.thread_time() - begin_s
    assert spent[unit] < 20 * spent[warm]
