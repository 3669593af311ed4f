"""What is read aloud knows which written word it stands for."""

import re

import pytest

from speech_service.text.english.normalize import spoken
from speech_service.text.traced import Traced

ALONE = (
    "The PIN is 0042.",
    "Her account number is 12345678 now.",
    "The card ending in 1934 was lost.",
    "Call us at 555-0123 today.",
    "A Boeing 747 landed.",
    "Route 101 is closed.",
    "She moved to Boston, MA 02139 then.",
    "We met in June 2019 there.",
    "I was born in 1987 here.",
    "Henry the VIII was king.",
    "See you on Fri, 3 May then.",
    "The scale is 1:50,000 here.",
    "He came at 5 and left.",
    "Version 2.0 of it is out.",
    "Dial extension 0420 then.",
)


@pytest.mark.parametrize("text", ALONE)
def test_a_word_that_is_read_as_it_stands_has_its_own_place(text: str) -> None:
    """However it came into a rule beside a number."""
    said = spoken(text)
    for word in re.finditer(r"\b[a-z]{2,20}\b", text):
        found = re.search(rf"\b{word[0]}\b", said.text)
        assert found, word[0]
        assert said.source(*found.span()) == word.span(), word[0]


@pytest.mark.parametrize(
    ("text", "pattern", "new", "spans"),
    [
        ("a 1 b", r"a 1 b", "a one b", [(0, 1), (2, 3), (4, 5)]),
        ("a 1", r"a 1", "a one", [(0, 1), (2, 3)]),
        ("1 b", r"1 b", "one b", [(0, 1), (2, 3)]),
        ("10 km", r"10 km", "ten km", [(0, 2), (3, 5)]),
        ("1st", r"1st", "first", [(0, 3)]),
        ("a b", r"a b", "b a", [(0, 3), (0, 3)]),
        ("a a", r"a a", "a", [(0, 3)]),
        ("a", r"a", "a a", [(0, 1), (0, 1)]),
        ("a b", r"a b", "a x b", [(0, 1), (2, 3), (2, 3)]),
        ("abc", r"abc", "abd", [(0, 3)]),
    ],
)
def test_what_a_rule_leaves_at_its_edges_stands_for_itself(
    text: str, pattern: str, new: str, spans: list[tuple[int, int]]
) -> None:
    traced = Traced(text)
    traced.sub(re.compile(pattern), new)
    assert traced.text == new
    assert [traced.source(*word.span()) for word in re.finditer(r"\S+", new)] == spans
