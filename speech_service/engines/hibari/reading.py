"""From text to phonemes, remembering which phonemes belong to which word of the text as the client wrote it.

The text is written out in words first ("$5" becomes "five dollars"), by ``text/english/normalize.py`` alone:
hibari's own rules for writing are not used. Each character of what is said knows which part of the text it stands
for, so every spoken word belongs to the written words that it was made of, and they share its time.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol, cast

from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.synthesis import LexiconEntry
from speech_service.engines.hibari import HibariOptions
from speech_service.engines.hibari.phonemes import from_arpabet, from_ipa
from speech_service.text.clean import is_speakable
from speech_service.text.english.normalize import spoken
from speech_service.text.traced import Traced

_SILENT = frozenset(' ;:,.!?—…"()“”ˈˌ')
"""Symbols that are no sound of a word; a stress mark alone is none either."""
_BREAKS = frozenset(";:,.!?—…")
_WITH_STOP = re.compile(r"[^\W\d_]+\.$")
_SHOUTED = re.compile(r"(?<![\w.'])[A-Z][A-Z']{0,30}(?: [A-Z][A-Z']{0,30}){1,100}(?![\w.]\w|')")
_AFTER_THE = frozenset(("US", "WHO", "IT"))
_STRAY = 16
"""Characters that the rules may leave out between two tokens."""
_MIN_PART = 40
"""A part of a sentence with fewer phonemes is not worth a joint."""


class Token(Protocol):
    """A token of hibari's G2P."""

    text: str
    whitespace: str
    phonemes: str | None


class Dictionary(Protocol):
    """A dictionary of pronunciations."""

    def get(self, word: str, /) -> object:
        """The pronunciation; None where there is none."""
        ...


class Dictionaries(Protocol):
    """hibari's dictionaries."""

    golds: Dictionary
    """Words whose pronunciation was checked; those that are said otherwise in capitals have two entries."""


class G2p(Protocol):
    """The part of hibari's G2P that is used."""

    lexicon: Dictionaries

    def tokenize(self, text: str) -> list[Any]:
        """Tokens with tags."""
        ...

    def phonemize_tokens(self, tokens: list[Any]) -> list[Any]:
        """Fill in phonemes; tokens that are one word become one."""
        ...


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word of the client's text and its phonemes: places in ``phonemes`` of the reading, fractions in shared ones."""

    text: str
    char_start: int
    char_end: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class PhonemeReading:
    """Phonemes of one piece, to be spoken part by part. ``ends`` are where the parts end; the last is the whole."""

    phonemes: str
    ends: tuple[int, ...]
    words: tuple[ReadWord, ...]
    unspoken: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """Tokens without a space between them, and where their phonemes stand in the reading."""

    phonemes: str
    source: tuple[int, int]
    """What of the text it says, in code points."""
    begin: int = 0
    end: int = 0


@dataclass(slots=True)
class _Script:
    """Tokens, the text that they make together, and what of the client's text each character of that stands for."""

    tokens: list[Any] = field(default_factory=list[Any])
    said: str = ""
    sources: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add(self, tokens: list[Any], said: str, sources: list[tuple[int, int]]) -> None:
        """Go on with what was read next."""
        self.tokens += tokens
        self.said += said
        self.sources += sources

    def source(self, begin: int, end: int) -> tuple[int, int]:
        """The span of the client's text that is said in these characters."""
        spans = self.sources[begin:end]
        return spans[0][0], max(last for _, last in spans)


def load_g2p() -> G2p:
    """Load hibari's dictionaries and tagger; some 0.7 s."""
    from hibari.g2p import G2P  # pyright: ignore[reportMissingTypeStubs]

    g2p = G2P()
    # Abbreviations are written out before. A word with its full stop in one token would lose the stop, and its entry.
    special = cast(dict[str, list[str]], g2p.tokenizer.special)
    g2p.tokenizer.special = {k: v for k, v in special.items() if not _WITH_STOP.match(k)}
    return cast(G2p, g2p)


class PhonemeReader:
    """Reads pieces. Holds no state of its own; any number of threads may use it."""

    def __init__(self, g2p: G2p, symbols: frozenset[str], options: HibariOptions) -> None:
        self._g2p = g2p
        self._symbols = symbols
        self._options = options

    def pronunciations(self, lexicon: Sequence[LexiconEntry]) -> Mapping[str, str]:
        """Phonemes of each term, by the term in lower case.

        Raises:
            InvalidOptionError: a term is blank, or a pronunciation is not in its alphabet or not in the model's.
        """
        return {
            entry.term.strip().lower(): self._pronunciation(entry, f"lexicon[{index}]")
            for index, entry in enumerate(lexicon)
        }

    def read(self, text: str, pronunciations: Mapping[str, str]) -> PhonemeReading:
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
        return PhonemeReading(phonemes, self._part_ends(spoken, len(phonemes)), words, unspoken)

    def _pronunciation(self, entry: LexiconEntry, option: str) -> str:
        if not entry.term.strip():
            raise InvalidOptionError(f"{option}.term", "is blank")
        within = f"{option}.pronunciation"
        if entry.alphabet == "arpabet":
            return from_arpabet(entry.pronunciation, within)
        if entry.alphabet == "ipa":
            return from_ipa(entry.pronunciation, within)
        groups = self._groups(entry.pronunciation, {})
        phonemes = " ".join(group.phonemes for group in groups if group.phonemes)
        if not _has_sound(phonemes):
            raise InvalidOptionError(within, "cannot be read", "plain letters")
        return phonemes

    def _groups(self, text: str, pronunciations: Mapping[str, str]) -> list[_Group]:
        groups: list[_Group] = []
        script = self._script(text, pronunciations)
        starts_group = True
        at = 0
        for token in self._phonemized(script.tokens):
            phonemes = "".join(c for c in token.phonemes or "" if c in self._symbols).strip()
            at = max(at, script.said.find(token.text, at, at + len(token.text) + _STRAY))
            end = at + len(token.text)
            source = script.source(at, end)
            if end >= len(script.said) and token.text.endswith(".") and phonemes[-1:] != ".":
                phonemes += "."  # the tokenizer takes "A." for one word, and its stop is lost
            if starts_group:
                groups.append(_Group(phonemes, source))
            else:
                last = groups[-1]
                last.phonemes += phonemes
                last.source = (last.source[0], max(last.source[1], source[1]))
            starts_group = bool(token.whitespace)
            at = end
        return [part for group in groups for part in self._bounded(group)]

    def _phonemized(self, tokens: list[Any]) -> list[Token]:
        try:
            return self._g2p.phonemize_tokens(tokens)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # The rules are another's, for clean English; what they fail on ends this text, not the lane.
            problem = "the model's reading rules fail on it"
            raise InvalidOptionError("text", problem, reason="TEXT_NOT_READABLE") from error

    def _script(self, text: str, pronunciations: Mapping[str, str]) -> _Script:
        """What is said for the text, terms of the lexicon with their phonemes already."""
        script = _Script()
        at = 0
        if pronunciations:
            terms = "|".join(map(re.escape, sorted(pronunciations, key=len, reverse=True)))
            for match in re.finditer(rf"(?<!\w)(?:{terms})(?!\w)", text, re.IGNORECASE):
                self._read_on(script, text, at, match.start())
                # Any word: what is said of it is replaced, the rest of the token tells the rules what follows.
                (token, *_) = self._g2p.tokenize("term")
                token.text = "".join(match.group().split())
                token.phonemes = pronunciations[match.group().lower()]
                token.whitespace = " " if text[match.end() : match.end() + 1].isspace() else ""
                said = token.text + token.whitespace
                script.add([token], said, [match.span()] * len(said))
                at = match.end()
        self._read_on(script, text, at, len(text))
        return script

    def _read_on(self, script: _Script, text: str, begin: int, end: int) -> None:
        """Add what is said for a part of the text."""
        part = text[begin:end]
        traced = spoken(part)
        self._lower_shouts(traced)
        tokens = self._g2p.tokenize(traced.text)
        if not tokens:
            return
        spans = [traced.source(at, at + 1) for at in range(len(traced.text))]
        sources = [(begin + first, begin + last) for first, last in spans]
        said = traced.text
        if part[-1].isspace():
            tokens[-1].whitespace = " "
            said += " "
            sources.append(sources[-1])
        script.add(tokens, said, sources)

    def _lower_shouts(self, traced: Traced) -> None:
        """Words in capitals side by side are words, not initials: "COME IN OR CALL ME". Acronyms among them stay.

        The dictionary tells: ordinary words are in it in lower case alone. Where none is among them, nobody shouts.
        """
        known = self._g2p.lexicon.golds.get

        def lowered(match: re.Match[str]) -> str | None:
            shouted = match.group().split(" ")
            if not any(
                len(word) > 1 and known(word.lower()) and not known(word) for word in shouted
            ):
                return None
            return " ".join(
                word
                if word == "I"
                or not known(word.lower())
                or (word in _AFTER_THE and before == "THE")
                else word.lower()
                for before, word in pairwise(["", *shouted])
            )

        traced.sub(_SHOUTED, lowered)

    def _bounded(self, group: _Group) -> list[_Group]:
        """A word longer than a part may be (no one can say it) is cut anywhere."""
        most = self._options.max_phonemes
        if len(group.phonemes) <= most:
            return [group]
        starts = range(0, len(group.phonemes), most)
        return [_Group(group.phonemes[at : at + most], group.source) for at in starts]

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
    """Words of the text with their place in the phonemes, and those of which nothing is said."""
    written = list(re.finditer(r"\S+", text))
    words: list[ReadWord] = []
    spoken_until = 0
    unspoken: list[str] = []
    for first, last, block in _blocks(written, groups):
        unspoken += _speakable(written[spoken_until:first])
        matches = written[first:last]
        said = [match for match in matches if is_speakable(match.group())] or matches
        words += _shared_out(said, block)
        spoken_until = last
    unspoken += _speakable(written[spoken_until:])
    return tuple(words), tuple(unspoken)


def _speakable(matches: Sequence[re.Match[str]]) -> list[str]:
    return [match.group() for match in matches if is_speakable(match.group())]


def _blocks(
    written: Sequence[re.Match[str]], groups: Sequence[_Group]
) -> Iterator[tuple[int, int, Sequence[_Group]]]:
    """What belongs together: written words ``first`` to ``last``, and the groups that say them."""
    starts = [match.start() for match in written]
    ends = [match.end() for match in written]
    block: list[_Group] = []
    first = last = 0
    for group in groups:
        if not _has_sound(group.phonemes):
            continue
        begin, end = group.source
        # The words that it overlaps; between two words, the one before.
        low = min(bisect_right(ends, begin), len(written) - 1)
        high = max(low + 1, bisect_left(starts, end))
        if block and low >= last:
            yield first, last, block
            block = []
        first, last = (first, max(last, high)) if block else (max(low, last), max(high, last))
        block.append(group)
    if block:
        yield first, last, block


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
