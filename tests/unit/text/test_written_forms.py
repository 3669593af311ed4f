"""Every kind of written form is said as people say it: a table of pairs, written and spoken."""

import csv
import re
from pathlib import Path

import pytest

from speech_service.text.english.normalize import normalize

PAIRS = Path(__file__).parents[2] / "assets" / "written_forms.tsv"
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.)+[A-Za-z]\b")


def pairs() -> list[tuple[str, str]]:
    """Written form and what may be said for it, alternatives divided by " | "."""
    with PAIRS.open(encoding="utf-8", newline="") as lines:
        return [(row[1], row[2]) for row in csv.reader(lines, "excel-tab", quoting=csv.QUOTE_NONE)]


def spelt(text: str) -> str:
    """A text in words for the voice to read: letters that stand alone are said one by one."""
    text = re.sub(r"\bA(?= (?:[A-Z]\b|one|two|four))|(?<= )A$", "A.", text)
    return re.sub(r"\b[A-Z](?: [A-Z])+\b", lambda match: match.group().replace(" ", "."), text)


def words(text: str) -> list[str]:
    """The words said, without punctuation; letters that are said one by one, each on its own."""
    text = _INITIALS.sub(lambda match: match.group().replace(".", " "), text)
    return re.findall(r"\w+(?:'\w+)*", text.casefold())


@pytest.mark.parametrize(("written", "said"), pairs())
def test_what_is_said(written: str, said: str) -> None:
    assert words(normalize(written)) in [words(each) for each in said.split(" | ")]


def test_the_table_is_wide() -> None:
    assert len(pairs()) >= 250
