"""What the embedded model reads wrongly is written out; the rest stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.normalize import normalize

# ruff: noqa: RUF001 - typographic signs are what is tested


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "See https://www.example.com/foo?x=1.",
            "See example dot com slash foo question mark x equals 1.",
        ),
        (
            "Mail bob.smith@example.co.uk, please",
            "Mail bob dot smith at example dot co dot uk, please",
        ),
        ("Run setup.py or Node.js", "Run setup dot py or Node dot js"),
        ("Host 192.168.0.1.", "Host one nine two dot one six eight dot zero dot one."),
        ("Call (555) 123-4567 now", "Call five five five, one two three, four five six seven now"),
        ("1-800-555-1234", "one, eight zero zero, five five five, one two three four"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("Version 2.10.3 and v1.9", "Version 2 point 10 point 3 and version 1 point 9"),
        (
            "0.5 or .25 or -0.75",
            "zero point five or zero point two five or minus zero point seven five",
        ),
        ("04.03.2024", "March 4, 2024"),
        ("99.99.2024", "99 point 99 point 2024"),
        ("$5, 10", "5 dollars, 10"),
        ("$5.50, £1.01 and €0.99", "5 dollars and 50 cents, 1 pound and 1 penny and 99 cents"),
        ("$1,234.56", "1,234 dollars and 56 cents"),
        ("$2.5 million, $5m, £3bn", "2.5 million dollars, 5 million dollars, 3 billion pounds"),
        (
            "US$20, A$1, ¥100, 5 €, 1€",
            "20 US dollars, 1 Australian dollar, 100 yen, 5 euros, 1 euro",
        ),
        ("$5-10 or -$5", "5 to 10 dollars or minus 5 dollars"),
        ("USD 5 or 7.50 EUR", "5 US dollars or 7 euros and 50 cents"),
        ("5 m, 1 m, 10 s, 3h, 2 L", "5 meters, 1 meter, 10 seconds, 3 hours, 2 liters"),
        (
            "5 m², 10 m/s, 100 Mbps",
            "5 square meters, 10 meters per second, 100 megabits per second",
        ),
        ("≥5 → 6 №7 20℃", "greater than or equal to 5 to 6 number 7 20 degrees Celsius"),
        ("10\u202f000\u00a0000", "10,000,000"),
        ("1e-9", "1 times 10 to the power of minus 9"),
        ("5'3\" tall", "5 foot 3 tall"),
        (
            "Use **bold**, `code`, _it_ and [a link](http://x.y/z).",
            "Use bold, code , it and a link.",
        ),
        ("# Title\n- one\n* two\n---\n> three", "Title\none\ntwo\n \nthree"),
        ("<b>hi</b> AT&amp;T", "hi AT&T"),
        ("[evil](/hˈI/) [x]", "evil x"),
        ("２ ｋｍ", "2 km"),
    ],
)
def test_written_out(text: str, expected: str) -> None:
    assert normalize(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith, e.g. at 5 a.m., in the U.S.A.",
        "3.14 of 1,234 on 3/4/2024 at 7:30 p.m.",
        "50% of 20 km at 21st St. in the 1990s",
        "It's John's; don't. Rock 'n' roll.",
        "Chapter IV, Henry VIII, 3/4 cup, 5-6 people",
        "End.Next",
        "foo_bar 2*3*4",
    ],
)
def test_what_the_model_reads_well_stays(text: str) -> None:
    assert normalize(text) == text


def test_other_languages_are_only_cleaned() -> None:
    assert normalize("Cuesta $5 \u00adhoy", "es-MX") == "Cuesta $5 hoy"


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    """And a pronunciation can never be smuggled in: the model's syntax for one needs brackets."""
    assert not set("[]") & set(normalize(text))


@pytest.mark.parametrize(
    "unit", ["[", "*", "`", "a.", "1.", "<a", "$1", "http://", "a@", "\u00a0000"]
)
def test_no_text_is_slow(unit: str) -> None:
    normalize(unit * (10_000 // len(unit)))
