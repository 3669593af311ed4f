"""Keeps things out of a translation model's hands: terms, tags, addresses and emoji travel as placeholders.

Which form survives was tried on 30 sentences each way of the embedded English-Portuguese model: ``XQ1Z`` 60 of 60,
four digits 60 of 60, ``__1__`` 50, ``[1]`` 58, ``#1`` 28, ``{1}``, ``@1``, an e-mail address or an emoji itself 0.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speech_service.domain.translation import GlossaryEntry
from speech_service.text import bcp47

_EMOJI = "\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\u266a-\u266f"
_VERBATIM = re.compile(
    r"</?[A-Za-z][^<>]*+>|<\d[\d:.]*+>|\{\\[^{}]*+\}|https?://(?:[.,;:!?)\]]*+[^\s<>\".,;:!?)\]])++|"
    r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++|"
    rf"[{_EMOJI}][{_EMOJI}\u200d\ufe0f]*|[!-\u024f]{{80,}}"  # no word is that long
)
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
        """What ``found`` becomes."""
        return found if self.entry.do_not_translate else self.entry.target


@dataclass(frozen=True, slots=True)
class Mark:
    """One placeholder: what it stands for, and spaces that were added beside it."""

    placeholder: str
    rendering: str
    term: Term | None
    space_before: bool
    space_after: bool


def terms_for(glossary: Sequence[GlossaryEntry], target: str) -> list[Term]:
    """The entries that hold for a target language, longest first, so that "New York City" goes before "New York"."""
    terms = [
        Term(index, _whole(entry.source), entry)
        for index, entry in enumerate(glossary)
        if entry.source.strip()
        and (not entry.target_language or bcp47.serves(entry.target_language, target))
    ]
    return sorted(terms, key=lambda term: -len(term.entry.source))


def occurring(text: str, terms: Sequence[Term]) -> list[Term]:
    """The terms that the text has."""
    return [term for term in terms if term.pattern.search(text)]


def is_kept(term: Term, source: str, translation: str) -> bool:
    """True where the translation renders the term as often as the source has it, whatever else it says."""
    found = [match.group() for match in term.pattern.finditer(source)]
    rendering = term.rendering(found[0]) if found else ""
    return len(re.findall(_whole(rendering), translation)) >= len(found) if rendering else True


def mask(text: str, terms: Sequence[Term], form: Form) -> tuple[str, list[Mark]]:
    """The text with placeholders for its terms, tags, addresses and emoji, and what they stand for.

    A placeholder of this form that the text itself has is left alone: its number is not used.
    """
    spans = _spans(text, terms)
    held = _Held(text)
    parts: list[str] = []
    marks: list[Mark] = []
    at, number = 0, 0
    for begin, end, term in spans:
        number += 1
        while form(number) in held:
            number += 1
        parts.append(text[at:begin])
        before = begin > 0 and text[begin - 1].isalnum()
        after = end < len(text) and text[end].isalnum()
        found = text[begin:end]
        rendering = term.rendering(found) if term else found
        marks.append(Mark(form(number), rendering, term, before, after))
        parts.append(f"{' ' * before}{form(number)}{' ' * after}")
        at = end
    return "".join([*parts, text[at:]]), marks


def unmask(translation: str, marks: Sequence[Mark]) -> str | None:
    """The translation with what the placeholders stand for; None where one is missing, doubled or damaged."""
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


def fragments(text: str, terms: Sequence[Term]) -> list[tuple[str, str]]:
    """The text as pairs: what the model may translate, and what follows it and is kept as it will stand (or "")."""
    pairs: list[tuple[str, str]] = []
    at = 0
    for begin, end, term in _spans(text, terms):
        found = text[begin:end]
        pairs.append((text[at:begin], term.rendering(found) if term else found))
        at = end
    return [*pairs, (text[at:], "")]


def without_marks(masked: str, marks: Sequence[Mark]) -> str:
    """What is left for the model to translate: the text without its placeholders."""
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


def _spans(text: str, terms: Sequence[Term]) -> list[tuple[int, int, Term | None]]:
    found: list[tuple[int, int, Term | None]] = [
        (*match.span(), term) for term in terms for match in term.pattern.finditer(text)
    ]
    found += [(*match.span(), None) for match in _VERBATIM.finditer(text)]
    kept: list[tuple[int, int, Term | None]] = []
    taken = bytearray(len(text))
    for begin, end, term in found:  # terms come first, longest first: what was taken stays taken
        if not any(taken[begin:end]):
            taken[begin:end] = b"\1" * (end - begin)
            kept.append((begin, end, term))
    return sorted(kept, key=lambda span: span[0])


def _whole(term: str) -> re.Pattern[str]:
    """The term as a whole, without regard to case and to how its words are spaced."""
    words = r"\s+".join(re.escape(word) for word in term.split())
    return re.compile(rf"(?<!\w){words}(?!\w)" if _spaced(term) else words, re.IGNORECASE)


def _spaced(term: str) -> bool:
    """True for scripts that put spaces between words; in others a term may stand anywhere."""
    return not any("\u2e80" <= char <= "\u9fff" or "\u0e00" <= char <= "\u0eff" for char in term)
