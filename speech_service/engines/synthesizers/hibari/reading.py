"""From text to phonemes, remembering which phonemes belong to which word of the text as the client wrote it.

The text is written out first ("$5" becomes "5 dollars", then hibari's "five dollars"), so what is spoken are other
words. They are matched to the client's by a diff: words that stayed are anchors, and what lies between two anchors was
made of what lies between them in the text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Protocol, cast

from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.synthesis import LexiconEntry
from speech_service.engines.synthesizers.hibari import Options
from speech_service.engines.synthesizers.hibari.phonemes import from_arpabet, from_ipa
from speech_service.text.clean import is_speakable
from speech_service.text.normalize import normalize

_SILENT = frozenset(' ;:,.!?—…"()“”ˈˌ')
"""Symbols that are no sound of a word; a stress mark alone is none either."""
_BREAKS = frozenset(";:,.!?—…")
_MIN_PART = 40
"""A part of a sentence with fewer phonemes is not worth a joint."""


class Token(Protocol):
    """A token of hibari's G2P."""

    text: str
    whitespace: str
    phonemes: str | None


class G2p(Protocol):
    """The part of hibari's G2P that is used."""

    def tokenize(self, text: str) -> list[Any]:
        """Tokens with tags."""
        ...

    def phonemize_tokens(self, tokens: list[Any]) -> list[Any]:
        """Fill in phonemes; tokens that are one word become one."""
        ...


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word of the client's text and its phonemes: places in ``Reading.phonemes``, fractions inside shared ones."""

    text: str
    char_start: int
    char_end: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Phonemes of one piece, to be spoken part by part. ``ends`` are where the parts end; the last is the whole."""

    phonemes: str
    ends: tuple[int, ...]
    words: tuple[ReadWord, ...]
    unspoken: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """Tokens without a space between them, and where their phonemes stand in the reading."""

    text: str
    phonemes: str
    begin: int = 0
    end: int = 0


def load_g2p() -> G2p:
    """Load hibari's dictionaries and tagger; some 0.7 s."""
    from hibari.g2p import G2P  # pyright: ignore[reportMissingTypeStubs]

    return cast(G2p, G2P())


def _written_out(text: str) -> str:
    from hibari.g2p import (  # pyright: ignore[reportMissingTypeStubs]
        normalize as hibari_normalize,  # pyright: ignore[reportUnknownVariableType]
    )

    return cast(Callable[[str], str], hibari_normalize)(normalize(text))


class Reader:
    """Reads pieces. Holds no state of its own; any number of threads may use it."""

    def __init__(self, g2p: G2p, symbols: frozenset[str], options: Options) -> None:
        self._g2p = g2p
        self._symbols = symbols
        self._options = options

    def pronunciations(
        self, lexicon: Sequence[LexiconEntry], field: str = "config.lexicon"
    ) -> Mapping[str, str]:
        """Phonemes of each term, by the term in lower case.

        Raises:
            InvalidFieldError: a term is blank, or a pronunciation is not in its alphabet or not in the model's.
        """
        return {
            entry.term.strip().lower(): self._pronunciation(entry, f"{field}[{index}]")
            for index, entry in enumerate(lexicon)
        }

    def read(self, text: str, pronunciations: Mapping[str, str]) -> Reading:
        """Read one piece of text."""
        groups = self._groups(text, pronunciations)
        spoken = [group for group in groups if group.phonemes]
        if not any(_has_sound(group.phonemes) for group in spoken):
            spoken = []
        at = 0
        for group in spoken:
            group.begin, group.end = at, at + len(group.phonemes)
            at = group.end + 1  # the space between words
        phonemes = " ".join(group.phonemes for group in spoken)
        words, unspoken = _match_words(text, groups)
        return Reading(phonemes, self._part_ends(spoken, len(phonemes)), words, unspoken)

    def _pronunciation(self, entry: LexiconEntry, field: str) -> str:
        if not entry.term.strip():
            raise InvalidFieldError(f"{field}.term", "is blank")
        path = f"{field}.pronunciation"
        if entry.alphabet == "arpabet":
            return from_arpabet(entry.pronunciation, path)
        if entry.alphabet == "ipa":
            return from_ipa(entry.pronunciation, path)
        groups = self._groups(entry.pronunciation, {})
        phonemes = " ".join(group.phonemes for group in groups if group.phonemes)
        if not _has_sound(phonemes):
            raise InvalidFieldError(path, "cannot be read", "plain letters")
        return phonemes

    def _groups(self, text: str, pronunciations: Mapping[str, str]) -> list[_Group]:
        groups: list[_Group] = []
        starts_group = True
        for token in self._phonemized(text, pronunciations):
            phonemes = "".join(c for c in token.phonemes or "" if c in self._symbols).strip()
            if starts_group:
                groups.append(_Group(token.text, phonemes))
            else:
                groups[-1].text += token.text
                groups[-1].phonemes += phonemes
            starts_group = bool(token.whitespace)
        return [part for group in groups for part in self._bounded(group)]

    def _phonemized(self, text: str, pronunciations: Mapping[str, str]) -> list[Token]:
        try:
            return self._g2p.phonemize_tokens(self._tokens(text, pronunciations))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # The rules are another's, for clean English; what they fail on ends this text, not the lane.
            problem = "the model's reading rules fail on it"
            raise InvalidFieldError("text", problem, reason="TEXT_NOT_READABLE") from error

    def _tokens(self, text: str, pronunciations: Mapping[str, str]) -> list[Token]:
        """Tokens of the text, terms of the lexicon with their phonemes already."""
        if not pronunciations:
            return self._g2p.tokenize(_written_out(text))
        terms = sorted(pronunciations, key=len, reverse=True)
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, terms))})(?!\w)", re.IGNORECASE)
        tokens: list[Token] = []
        at = 0
        for match in pattern.finditer(text):
            tokens += self._between(text[at : match.start()])
            # Any word: what is said of it is replaced, the rest of the token tells the rules what follows.
            (token, *_) = self._g2p.tokenize("term")
            token.text = "".join(match.group().split())
            token.phonemes = pronunciations[match.group().lower()]
            token.whitespace = " " if text[match.end() : match.end() + 1].isspace() else ""
            tokens.append(token)
            at = match.end()
        return tokens + self._between(text[at:])

    def _between(self, text: str) -> list[Token]:
        tokens = self._g2p.tokenize(_written_out(text)) if text.strip() else []
        if tokens and text[-1].isspace():
            tokens[-1].whitespace = " "
        return tokens

    def _bounded(self, group: _Group) -> list[_Group]:
        """A word longer than a part may be (no one can say it) is cut anywhere."""
        most = self._options.max_phonemes
        if len(group.phonemes) <= most:
            return [group]
        starts = range(0, len(group.phonemes), most)
        return [_Group(group.text, group.phonemes[at : at + most]) for at in starts]

    def _part_ends(self, groups: Sequence[_Group], length: int) -> tuple[int, ...]:
        if length <= self._options.whole_phonemes:
            return (length,) if length else ()
        ends: list[int] = []
        start = 0
        for group, following in pairwise(groups):
            is_break = group.phonemes[-1] in _BREAKS
            worth = group.end - start >= _MIN_PART and length - following.begin >= _MIN_PART
            full = following.end - start > self._options.max_phonemes
            if full or (is_break and worth):
                ends.append(group.end)
                start = following.begin
        return (*ends, length)


def _match_words(
    text: str, groups: Sequence[_Group]
) -> tuple[tuple[ReadWord, ...], tuple[str, ...]]:
    written = [m for m in re.finditer(r"\S+", text) if is_speakable(m.group())]
    sounding = [group for group in groups if is_speakable(group.text) or _has_sound(group.phonemes)]
    matcher = SequenceMatcher(
        None,
        [_key(m.group()) for m in written],
        [_key(group.text) for group in sounding],
        autojunk=False,
    )
    words: list[ReadWord] = []
    unspoken: list[str] = []
    for matches, groups_of in _blocks(matcher, written, sounding):
        block = [group for group in groups_of if _has_sound(group.phonemes)]
        if matches and block:
            words += _shared_out(matches, block)
        else:
            unspoken += [match.group() for match in matches]
    return tuple(words), tuple(unspoken)


def _blocks(
    matcher: "SequenceMatcher[str]", written: Sequence[re.Match[str]], groups: Sequence[_Group]
) -> Iterator[tuple[Sequence[re.Match[str]], Sequence[_Group]]]:
    """What belongs together: pairs of the same word, and what lies between."""
    for tag, from_word, to_word, from_group, to_group in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(written[from_word:to_word], groups[from_group:to_group], strict=True)
            yield from (([match], [group]) for match, group in pairs)
        else:
            yield written[from_word:to_word], groups[from_group:to_group]


def _shared_out(matches: Sequence[re.Match[str]], block: Sequence[_Group]) -> list[ReadWord]:
    """Give each word its groups; where the counts differ, shares by length."""
    if len(matches) == len(block):
        spans = [_sounding_span(group) for group in block]
    else:
        begin, end = _sounding_span(block[0])[0], _sounding_span(block[-1])[1]
        total = sum(len(match.group()) for match in matches)
        spans: list[tuple[float, float]] = []
        done = 0
        for match in matches:
            first = begin + (end - begin) * done / total
            done += len(match.group())
            spans.append((first, begin + (end - begin) * done / total))
    return [
        ReadWord(match.group(), match.start(), match.end(), *span)
        for match, span in zip(matches, spans, strict=True)
    ]


def _sounding_span(group: _Group) -> tuple[float, float]:
    """Where the group's sounds stand, without the punctuation around them."""
    sounds = [at for at, symbol in enumerate(group.phonemes) if symbol not in _SILENT]
    first = sounds[0]
    while first and group.phonemes[first - 1] in "ˈˌ":
        first -= 1
    return group.begin + first, group.begin + sounds[-1] + 1


def _has_sound(phonemes: str) -> bool:
    return any(symbol not in _SILENT for symbol in phonemes)


def _key(word: str) -> str:
    return "".join(char for char in word.casefold() if char.isalnum())
