"""No regular expression of the source takes more than linear time: rules about each of them.

A pattern is refused that has a repetition without end inside another; or two beside each other that may take the same
characters; or one in what it looks at ahead; or that is searched for and tries every place of a repetition, where
something behind it can fail. Possessive and atomic repetitions give nothing back, so they pass the first rules; only a
look behind (``(?<![...])``) passes the last.
"""

from collections.abc import Sequence
from functools import cache

import pytest

from tests.architecture.patterns import Found, compiled_patterns, dynamic_patterns, faults_of

SOURCES = ("speech_service", "clients", "tools", "benchmarks")
ALLOWED = {
    r"@font-face \{.*?\}": "a drawing of our own",
    r"<think(?:ing)?>.*?(?:</": "the end of the text ends it, so the first one takes all",
    r"```[\w-]*+[ \t]*+": "the end of the text ends it, so the first one takes all",
    r'"(\d{1,6})"\s*+:': "a string ends where the next key could begin, so no two run over the same text",
    r"(?:^|[\s\"'": "looked for in the last 256 characters of a text",
    r"(?P<number>\d[\d,]*": "of a unit, which has 400 characters; a digit is always taken, by one branch or the other",
}
"""Beginnings of patterns, and why each takes linear time all the same."""
MADE_OF_DATA = {
    "benchmarks/harness.py": "names of ports of our own",
    "benchmarks/results.py": "keys of /proc/cpuinfo",
    "speech_service/engines/hibari/reading.py": "escaped terms of a lexicon, 1,000 at most",
    "speech_service/text/english/rules.py": "what `rule` is given, which is looked at where it is given",
    "speech_service/text/placeholders.py": "the escaped words of a term, 200 characters at most",
}
"""Files that make patterns while they run, and what of."""


@cache
def patterns() -> Sequence[Found]:
    """All of them. Not made while tests are collected: it imports the whole source, in each process that collects."""
    return compiled_patterns(SOURCES)


def faults(found: Found) -> Sequence[str]:
    """What of a pattern may take more than linear time."""
    return faults_of(found.pattern, found.flags, searched=found.is_searched)


def test_each_is_linear() -> None:
    judged = [p for p in patterns() if not any(map(p.pattern.startswith, ALLOWED))]
    assert len(judged) > 200
    assert not {str(found): bad for found in judged if (bad := faults(found))}


def test_every_pattern_is_looked_at() -> None:
    """The others are made of data, by files that are known for it; and no exception outlives its pattern."""
    assert {place.partition(":")[0] for place in dynamic_patterns(SOURCES)} == set(MADE_OF_DATA)
    for beginning in ALLOWED:
        (found,) = [p for p in patterns() if p.pattern.startswith(beginning)]
        assert faults(found)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s*[\u266a-\u266f]+\s*$",
        r"\s*<([A-Za-z]+)([^<>]*)>(.*)</\1>\s*",
        r"<v(?:\.[^<>]*)?\s[^<>]*>",
        r"(?:^|\W)(?:[^\W\d_]\.)+[^\W\d_]$",
        r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"[vV](\d+(?:\.\d+)+)(?![\w.]*\d)",
        r"(?:[-*_=][ \t]*+){3,}+$",
        r"\w*[^\W\d_]\w*",
        r"^\W+|\W+$",
        r"\s*\S+",
        r"\d+.\d+x",
        r"(a+)+b",
        r"(a|b+)*c",
        r"(?:x*y*)*z",
        r"(?i)k+K+z",
        r"a++b",
    ],
)
def test_it_sees_what_is_not(pattern: str) -> None:
    assert faults_of(pattern, 0, searched=True)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\S+",
        r"(?<!\w)\w++@",
        r"\d+(?:\.\d+)?",
        r"</?[A-Za-z][^<>]*>",
        r"^\s*x",
        r"a{0,9}b",
        r"x\s*+y",
    ],
)
def test_it_lets_pass_what_is(pattern: str) -> None:
    assert not faults_of(pattern, 0, searched=True)
