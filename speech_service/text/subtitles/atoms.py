"""Text in the smallest pieces that a subtitle may be cut into, each with its time."""

# ruff: noqa: RUF001 - punctuation of many scripts is the data of this module

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from speech_service.domain.alignment import AlignedUnit
from speech_service.text.subtitles.display import fit, pieces, width


class Break(IntEnum):
    """How good a place the end of an atom is to end a line or a cue."""

    INSIDE_WORD = 0
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of text that stays on one line. ``spaced``: a space parts it from the one before."""

    text: str
    columns: int
    spaced: bool
    after: Break
    start_ms: float = 0.0
    end_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TimedText:
    """A stretch of text whose time is known as a whole."""

    text: str
    start_ms: int
    end_ms: int


_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.!?…。！？｡][\"'”’»)\]）」』】]*$")
_CLAUSE_END = re.compile(r"[,;:、，；：—–][\"'”’»)\]）」』】]*$")
_SHORT_FORM = re.compile(
    r"(?:^|[(\"“])(?:[^\W\d_]|mr|mrs|ms|dr|st|prof|vs|jr|sr)\.$", re.IGNORECASE
)


def atoms_of_segments(segments: Sequence[TimedText], columns: int) -> list[Atom]:
    """Share the time of each segment out among its atoms by their characters."""
    found: list[Atom] = []
    for segment in segments:
        atoms = [atom for _, atom in _cut(segment.text, columns)]
        found += _shared(atoms, segment.start_ms, max(segment.start_ms, segment.end_ms))
    return found


def atoms_of_units(text: str, units: Sequence[AlignedUnit], columns: int) -> list[Atom]:
    """Atoms of ``text`` with the times of the ``units`` that they hold a part of.

    Text between two units shares the time between them: words that were not placed, and punctuation.

    Args:
        text: the whole text.
        units: words or characters of it with their times, in order.
        columns: the widest line.
    """
    placed: list[Atom] = []
    pending: list[Atom] = []
    last_ms, at = 0.0, 0
    for start, atom in _cut(text, columns):
        end = start + len(atom.text)
        while at < len(units) and units[at].char_end <= start:
            at += 1
        times = _times(units, at, start, end)
        if times is None:
            pending.append(atom)
            continue
        begin_ms, end_ms = max(last_ms, times[0]), max(last_ms, times[1])
        placed += _shared(pending, last_ms, begin_ms) if placed else _before(pending, begin_ms)
        pending = []
        placed.append(replace(atom, start_ms=begin_ms, end_ms=end_ms))
        last_ms = end_ms
    return placed + _shared(pending, last_ms, last_ms + _MS_PER_CHARACTER * _length(pending))


_MS_PER_CHARACTER = 60
"""Time of a character of text before the first word that has a time, and after the last."""


def _before(atoms: list[Atom], end_ms: float) -> list[Atom]:
    return _shared(atoms, max(0.0, end_ms - _MS_PER_CHARACTER * _length(atoms)), end_ms)


def _length(atoms: Sequence[Atom]) -> int:
    return sum(len(atom.text) for atom in atoms)


def _times(
    units: Sequence[AlignedUnit], at: int, start: int, end: int
) -> tuple[float, float] | None:
    """Find when the characters ``[start, end)`` are spoken; a unit that is only partly in them gives its share."""
    first: float | None = None
    last = 0.0
    while at < len(units) and units[at].char_start < end:
        unit = units[at]
        scale = (unit.end_ms - unit.start_ms) / max(1, unit.char_end - unit.char_start)
        begin = unit.start_ms + scale * (max(start, unit.char_start) - unit.char_start)
        last = unit.start_ms + scale * (min(end, unit.char_end) - unit.char_start)
        first = begin if first is None else first
        at += 1
    return None if first is None else (first, last)


def _shared(atoms: Sequence[Atom], start_ms: float, end_ms: float) -> list[Atom]:
    total = _length(atoms)
    shared: list[Atom] = []
    done = 0
    for atom in atoms:
        begin = start_ms + (end_ms - start_ms) * done / total
        done += len(atom.text)
        end = start_ms + (end_ms - start_ms) * done / total
        shared.append(replace(atom, start_ms=begin, end_ms=end))
    return shared


def _cut(text: str, columns: int) -> Iterator[tuple[int, Atom]]:
    """Atoms with the place of their first character."""
    for match in _WORD.finditer(text):
        word = _printable(match.group())
        begin = match.start()
        parts = [part for piece in pieces(word) for part in fit(piece, columns)]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            after = _quality(part) if last or len(pieces(part + parts[number + 1])) > 1 else None
            end = Break.INSIDE_WORD if after is None else after
            yield begin, Atom(part, width(part), number == 0, end)
            begin += len(part)


def _printable(word: str) -> str:
    """Control characters would end lines or cues; each becomes a mark that says that something was there."""
    return "".join(
        "\ufffd" if unicodedata.category(char) in ("Cc", "Cs") else char for char in word
    )


def _quality(part: str) -> Break:
    if _SENTENCE_END.search(part) and not _SHORT_FORM.search(part):
        return Break.SENTENCE
    return Break.CLAUSE if _CLAUSE_END.search(part) else Break.WORD
