"""Keeps things out of a translation model's hands: terms, and what ``signs.py`` finds, travel as placeholders.

Which form survives was tried on 30 sentences each way of the embedded English-Portuguese model: ``XQ1Z`` 60 of 60,
four digits 60 of 60, ``__1__`` 50, ``[1]`` 58, ``#1`` 28, ``{1}``, ``@1``, an e-mail address or an emoji itself 0.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speech_service.domain.translation import GlossaryEntry
from speech_service.text import bcp47
from speech_service.text.signs import Span

Form = Callable[[int], str]
FORMS: Sequence[Form] = (lambda n: f"XQ{n}Z", lambda n: str(7340 + 97 * n))
"""Placeholders by number, best first."""


_PLACEHOLDER = re.compile(r"(?<!\w)(?:XQ\d+Z|\d+)(?!\w)")
"""Whatever may be one, of either form."""


@dataclass(frozen=True, slots=True)
class Term:
    """A glossary entry that holds for one target language. ``index`` is its place in the client's glossary."""

    index: int
    pattern: re.Pattern[str]
    entry: GlossaryEntry

    def rendering(self, found: str) -> str:
        """Give what ``found`` becomes."""
        return found if self.entry.do_not_translate else self.entry.target


@dataclass(frozen=True, slots=True)
class Protected:
    """Code points ``[begin, end)`` of a text that the model does not get; a term, or what stays as it is."""

    begin: int
    end: int
    term: Term | None = None

    def within(self, begin: int, end: int) -> "Protected | None":
        """Give what is protected as counted in the part ``[begin, end)`` of the text; None where it is not in there."""
        inside = begin <= self.begin and self.end <= end
        return Protected(self.begin - begin, self.end - begin, self.term) if inside else None


@dataclass(frozen=True, slots=True)
class Mark:
    """One placeholder: what it stands for, and spaces that were added beside it."""

    placeholder: str
    rendering: str
    term: Term | None
    space_before: bool
    space_after: bool


def terms_for(glossary: Sequence[GlossaryEntry], target: str) -> list[Term]:
    """Give the entries that hold for a target language, longest first, so that "New York City" goes before "New
    York"."""
    terms = [
        Term(index, _whole(entry.source), entry)
        for index, entry in enumerate(glossary)
        if entry.source.strip()
        and (not entry.target_language or bcp47.serves(entry.target_language, target))
    ]
    return sorted(terms, key=lambda term: -len(term.entry.source))


def occurring(text: str, terms: Sequence[Term]) -> list[Term]:
    """Give the terms that the text has."""
    return [term for term in terms if term.pattern.search(text)]


def is_kept(term: Term, source: str, translation: str) -> bool:
    """True where the translation renders the term as often as the source has it, whatever else it says."""
    found = [match.group() for match in term.pattern.finditer(source)]
    rendering = term.rendering(found[0]) if found else ""
    return len(re.findall(_whole(rendering), translation)) >= len(found) if rendering else True


def without_terms(text: str, terms: Sequence[Term], *, is_source: bool) -> str:
    """Give a source without its terms, or a translation without what they became."""
    for term in terms:
        is_same = is_source or term.entry.do_not_translate
        text = (term.pattern if is_same else _whole(term.entry.target)).sub(" ", text)
    return text


def protected(text: str, terms: Sequence[Term], spans: Sequence[Span]) -> list[Protected]:
    """Terms of the text and what of ``spans`` is in no term, in order.

    Args:
        text: anything.
        terms: longest first, as ``terms_for`` gives them.
        spans: what else stays as it is; may overlap.
    """
    kept: list[Protected] = []
    taken = bytearray(len(text))
    for term in terms:  # longest first: what was taken stays taken
        for match in term.pattern.finditer(text):
            begin, end = match.span()
            if not any(taken[begin:end]):
                taken[begin:end] = b"\1" * (end - begin)
                kept.append(Protected(begin, end, term))
    return widened(text, kept, spans)


def widened(text: str, spans: Sequence[Protected], more: Sequence[Span]) -> list[Protected]:
    """Give ``spans`` and what of ``more`` is in none of them, in order; what touches is one, but for terms."""
    taken = bytearray(len(text))
    for span in spans:
        taken[span.begin : span.end] = b"\1" * (span.end - span.begin)
    found = list(spans)
    for begin, end in more:
        while (free := taken.find(b"\0", begin, end)) >= 0:
            stop = taken.find(b"\1", free, end)
            begin = end if stop < 0 else stop
            taken[free:begin] = b"\1" * (begin - free)
            found.append(Protected(free, begin))
    joined: list[Protected] = []
    for span in sorted(found, key=lambda span: span.begin):
        last = joined[-1] if joined else None
        if last and last.end == span.begin and last.term is None and span.term is None:
            joined[-1] = Protected(last.begin, span.end)
        else:
            joined.append(span)
    return joined


def mask(text: str, spans: Sequence[Protected], form: Form) -> tuple[str, list[Mark]]:
    """Give the text with a placeholder for each of ``spans``, and what they stand for.

    A placeholder of this form that the text itself has is left alone: its number is not used.
    """
    held = _Held(text)
    parts: list[str] = []
    marks: list[Mark] = []
    at, number = 0, 0
    for place, span in enumerate(spans):
        number += 1
        while form(number) in held:
            number += 1
        parts.append(text[at : span.begin])
        touched = place > 0 and spans[place - 1].end == span.begin
        before = not touched and span.begin > 0 and text[span.begin - 1].isalnum()
        touches = place + 1 < len(spans) and spans[place + 1].begin == span.end
        after = touches or (span.end < len(text) and text[span.end].isalnum())
        found = text[span.begin : span.end]
        rendering = span.term.rendering(found) if span.term else found
        marks.append(Mark(form(number), rendering, span.term, before, after))
        parts.append(f"{' ' * before}{form(number)}{' ' * after}")
        at = span.end
    return "".join([*parts, text[at:]]), marks


def unmask(translation: str, marks: Sequence[Mark]) -> str | None:
    """Give the translation with what the placeholders stand for; None where one is missing, doubled or damaged."""
    if not marks:
        return translation
    by_name = {mark.placeholder: mark for mark in marks}
    found = [match for match in _PLACEHOLDER.finditer(translation) if match.group() in by_name]
    if sorted(match.group() for match in found) != sorted(by_name):
        return None
    parts: list[str] = []
    at = 0
    for match in found:
        mark = by_name[match.group()]
        begin, end = match.span()
        if mark.space_before and begin > at and translation[begin - 1].isspace():
            begin -= 1
        parts += (translation[at:begin], mark.rendering)
        at = end + (mark.space_after and translation[end : end + 1].isspace())
    return "".join([*parts, translation[at:]])


def fragments(text: str, spans: Sequence[Protected]) -> list[tuple[str, str]]:
    """Give the text as pairs: what the model may translate, and what follows it and is kept as it will stand (or
    "")."""
    pairs: list[tuple[str, str]] = []
    at = 0
    for span in spans:
        found = text[span.begin : span.end]
        kept = span.term.rendering(found) if span.term else found
        pairs.append((text[at : span.begin], kept))
        at = span.end
    return [*pairs, (text[at:], "")]


def without_marks(masked: str, marks: Sequence[Mark]) -> str:
    """Say what is left for the model to translate: the text without its placeholders."""
    parts: list[str] = []
    at = 0
    for mark in marks:  # they stand in this order
        begin = masked.find(mark.placeholder, at)
        if begin >= 0:
            parts.append(masked[at:begin])
            at = begin + len(mark.placeholder)
    return "".join([*parts, masked[at:]])


class _Held:
    """What a text holds, asked for many short strings: one look at the text for each of their few lengths."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._by_length: dict[int, set[str]] = {}

    def __contains__(self, wanted: str) -> bool:
        length = len(wanted)
        if length not in self._by_length:
            ends = range(length, len(self._text) + 1)
            self._by_length[length] = {self._text[end - length : end] for end in ends}
        return wanted in self._by_length[length]


def _whole(term: str) -> re.Pattern[str]:
    """Give the term as a whole, without regard to case and to how its words are spaced."""
    words = r"\s+".join(re.escape(word) for word in term.split())
    return re.compile(rf"(?<!\w){words}(?!\w)" if _spaced(term) else words, re.IGNORECASE)


def _spaced(term: str) -> bool:
    """True for scripts that put spaces between words; in others a term may stand anywhere."""
    return not any("\u2e80" <= char <= "\u9fff" or "\u0e00" <= char <= "\u0eff" for char in term)
