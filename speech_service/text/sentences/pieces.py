"""Cuts text into pieces that a sentence-level model can take, so that the pieces joined again are the text.

Not for speech: it has no notion of what is pronounced. It only keeps sentences whole where they are short enough.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LINE = re.compile(r"[^\r\n\t]+|[\r\n\t]+")
"""Lines, and the cells of a table that tabs make."""
_END = re.compile(  # the second part is that of Chinese and Japanese, which put no space
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\]]*+"
    r"(?=\s++[\"'\u201c\u2018\u00ab(\[\u00bf\u00a1*\u2013\u2014-]*+\s?[^\W\d_a-z\u00e0-\u00ff])"
    r"|[\u3002\uff01\uff1f]++[\"'\u201d\u2019\u300d\u300f\uff09]*+"
)
_ABBREVIATED = re.compile(
    r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Gen|Col|Lt|Capt|Rev|vs|etc|approx|Fig|No|Sr|Sra|Srta|Dra|Profa|Exmo|Av|"
    r"e\.g|i\.e|p\.ex|[ap]\.m)\.$",
    re.IGNORECASE,
)
_ABBREVIATION_CHARS = 12
_CLAUSE = re.compile(r"[,;:\u2013\u2014)\uff0c\uff1b\uff1a\u3001]\s*|\s[-\u2013\u2014]\s")
_SPACE = re.compile(r"\s+")
_LEAD = re.compile(r"\s*+")
_PRIVATE = range(0xE000, 0xF8FF)
"""Characters that no rule above knows; texts have none of them, or a few."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Some text with the white space that stood before and after it. ``core`` is empty for white space alone."""

    before: str
    core: str
    after: str


def cut(text: str, max_chars: int) -> list[TextPiece]:
    """Give the text in pieces: at line ends and tabs, at sentence ends, and where a sentence is longer than
    ``max_chars``, at a clause, a space, or anywhere.

    Args:
        text: anything.
        max_chars: longest ``core``; at least 1.
    """
    spans = (span for line in _LINE.findall(text) for span in _cut_line(line, max_chars))
    return [_piece(span) for span in spans]


def cut_around(text: str, spans: Sequence[tuple[int, int]], max_chars: int) -> list[TextPiece]:
    """Cut as :func:`cut` does, but never inside one of ``spans``, which count as a short word each.

    Args:
        text: anything.
        spans: code points ``[begin, end)`` in order, apart from each other.
        max_chars: longest ``core``, with spans counted as short words.
    """
    stand_in = next(char for char in map(chr, _PRIVATE) if char not in text)
    shadow: list[str] = []
    at = 0
    for begin, end in spans:
        shadow += [text[at:begin], stand_in]
        at = end
    found = iter([text[begin:end] for begin, end in spans])

    def whole(part: str) -> str:
        return "".join(next(found) if char == stand_in else char for char in part)

    pieces = cut("".join([*shadow, text[at:]]), max_chars)
    return [TextPiece(whole(p.before), whole(p.core), whole(p.after)) for p in pieces]


def chunks(text: str, max_chars: int) -> list[TextPiece]:
    """Give the text in few pieces of up to ``max_chars``, cut where :func:`cut` would: for a model with a long
    memory."""
    whole: list[list[str]] = []
    length = trailing = 0
    """Characters of the last chunk without the white space around it, and of that behind it."""
    for piece in cut(text, max_chars):
        if length and piece.core:
            grown = length + trailing + len(piece.before) + len(piece.core)
        else:
            grown = length + len(piece.core)
        if not whole or grown > max_chars:
            whole.append([])
            grown = len(piece.core)
            trailing = 0
        whole[-1].append(f"{piece.before}{piece.core}{piece.after}")
        length = grown
        trailing = len(piece.after) if piece.core else trailing + len(piece.before)
    return [_piece("".join(parts)) for parts in whole]


def _cut_line(line: str, max_chars: int) -> Iterator[str]:
    begin = 0
    for match in _END.finditer(line):
        if _ABBREVIATED.search(line, max(begin, match.end() - _ABBREVIATION_CHARS), match.end()):
            continue
        yield from _cut_long(line[begin : match.end()], max_chars)
        begin = match.end()
    if begin < len(line):
        yield from _cut_long(line[begin:], max_chars)


def _cut_long(sentence: str, max_chars: int) -> Iterator[str]:
    begin, end = 0, len(sentence.rstrip())
    while True:
        lead = _LEAD.match(sentence, begin)
        core = lead.end() if lead else begin
        if end - core <= max_chars:
            break
        at = _break_before(sentence, begin, core + max_chars)
        yield sentence[begin:at]
        begin = at
    yield sentence[begin:]


def _break_before(sentence: str, begin: int, limit: int) -> int:
    """Find the latest place to cut, not in the first third, where the piece would be too small to make sense."""
    earliest = begin + (limit - begin) // 3
    for pattern in (_CLAUSE, _SPACE):
        ends = [m.end() for m in pattern.finditer(sentence, earliest, limit)]
        if ends:
            return ends[-1]
    return limit


def _piece(span: str) -> TextPiece:
    core = span.strip()
    if not core:
        return TextPiece(span, "", "")
    at = len(span) - len(span.lstrip())
    return TextPiece(span[:at], core, span[at + len(core) :])
