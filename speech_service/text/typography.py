"""Quotes, dashes and dots that a model does not know: written in ASCII for it, and put back into what it answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Kind:
    """Marks of one kind: how they stand in a text, what is written for the model, and what it answers with."""

    found: re.Pattern[str]
    written: str
    answered: re.Pattern[str]
    is_strict: bool
    """Whether a translation without them is damaged."""


_SPACES = r"(?<![^\S\n])[^\S\n]++"
"""All spaces that stand together on a line."""
_LONG_DASH = rf"(?:{_SPACES})?[\u2012-\u2015]++[^\S\n]*+"
_KINDS = (
    _Kind(
        re.compile('["\u201c\u201d\u201e\u201f\u00ab\u00bb]'),
        '"',
        re.compile('["\u201c\u201d]'),
        True,
    ),
    _Kind(
        re.compile(rf"{_LONG_DASH}|{_SPACES}-{{1,3}}[^\S\n]++"),
        " - ",
        re.compile(rf"{_LONG_DASH}|{_SPACES}-{{1,3}}(?=\s)[^\S\n]*+"),
        True,
    ),
    _Kind(re.compile("\u2026|\\.{3}"), "...", re.compile("\u2026|\\.{3}"), False),
    _Kind(
        re.compile(r"(?<![^\W_])['\u2018\u2019\u201a]|['\u2018\u2019](?![^\W_])"),
        "'",
        re.compile(r"(?<![^\W_])'|'(?![^\W_])"),
        False,
    ),
)
_APOSTROPHE = re.compile(r"(?<=[^\W_])\u2019(?=[^\W_])")
_STRICT = re.compile("[\u201c\u201d\u201e\u201f\u00ab\u00bb\u2012-\u2015]+")
_HYPHENS = re.compile("[\u2010\u2011]")


@dataclass(frozen=True, slots=True)
class Written:
    """A text in ASCII marks, and the marks that it had, kind by kind."""

    text: str
    marks: Sequence[Sequence[str]]


def write_plainly(text: str) -> Written:
    """Give the text as a model without typographic marks can read it. One that has none is left as it is."""
    if text.isascii():
        return Written(text, ())
    text = _HYPHENS.sub("-", _APOSTROPHE.sub("'", text))
    marks: list[Sequence[str]] = []
    for kind in _KINDS:
        found = kind.found.findall(text)
        if "".join(found).isascii():
            marks.append(())
            continue
        marks.append(found)
        text = kind.found.sub(kind.written, text)
    return Written(text, marks)


def put_back(answer: str, written: Written) -> str | None:
    """Give the answer with the marks of the text; None where it has more or fewer of a kind that must not be lost."""
    for kind, marks in zip(_KINDS, written.marks, strict=False):
        if not marks:
            continue
        if len(kind.answered.findall(answer)) != len(marks):
            if kind.is_strict:
                return None
            continue
        between = kind.answered.split(answer)
        answer = between[0] + "".join(map("".join, zip(marks, between[1:], strict=True)))
    return answer


def strict_spans(text: str) -> list[tuple[int, int]]:
    """Find the marks that must not be lost."""
    return [match.span() for match in _STRICT.finditer(text)]
