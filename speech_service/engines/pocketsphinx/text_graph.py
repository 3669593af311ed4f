"""The text of one window as a graph for the decoder, and the decoder's answer as places of words.

From the state before a word lead: each of its readings, word by word; and, where the search may jump, jumps over it and
any number of words after it, at a price that soon stops growing, so that a long passage that nobody reads does not end
the search. Every word may be the last, at the price of those after it. Silence and free phones may stand anywhere; the
decoder adds those.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from speech_service.engines.pocketsphinx.decoder import Arc, Decoder, GrammarWord, Segment

_TOO_DEAR = 20.0
"""Jumps whose price grows by more per word end at ``longest`` words; the beam would drop them anyway."""


_PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
_OTHER_READING = 90.0
_OTHER_PHONE = 6.0
"""Price, in nats, of any phones instead of a reading, and of each of them. Readings that were spoken fit better than
that; other readings do not, and would push the words beside them out of their places."""
_MAX_OTHER = 24
"""Units of one search that may have any phones: each adds as many ways as there are phones."""
_MAX_OTHER_PHONES = 72
"""Of all of them: a search with twice as many takes twice the time, which is that of its audio already."""


@dataclass(frozen=True, slots=True)
class Jumps:
    """Price of leaving out ``n`` words, in nats: ``first + more * (n - 1)``, growing up to ``longest`` words only.

    What costs more than the beam cannot happen.
    """

    first: float
    more: float
    longest: int

    def cost(self, words: int) -> float:
        """Price of leaving ``words`` out."""
        return self.first + self.more * (min(words, self.longest) - 1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit of the text that can be spoken: its place in the list of units, and readings as pronunciations."""

    unit: int
    letters: int
    readings: tuple[tuple[tuple[str, ...], ...], ...]
    may_differ: bool = False
    """It is written in digits or signs, so it may be read in a way that nobody thought of."""

    @property
    def fewest_phones(self) -> int:
        """Phones of its shortest reading."""
        return min(
            sum(min(phones.count(" ") + 1 for phones in word) for word in reading)
            for reading in self.readings
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A unit that was found: frames ``[start, end)`` of the window and the words of the reading that was heard."""

    unit: int
    start: int
    end: int
    score: float
    words: tuple[GrammarWord, ...]
    is_other: bool = False
    """No reading of it was heard, but something that nothing beside it explains; ``words`` are its first reading."""

    @property
    def frames(self) -> int:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Freedom:
    """What a search may leave out."""

    jumps: Jumps | None
    """Words anywhere; None: none."""
    ending: Jumps = Jumps(0, 0, 1)
    """Words at the end."""
    other_readings: bool = False
    """Whether units that may differ may be any phones."""


class TextGraph:
    """Built for one search."""

    def __init__(
        self,
        decoder: Decoder,
        candidates: Sequence[Candidate],
        freedom: Freedom,
    ) -> None:
        self.arcs: list[Arc] = []
        self.states = len(candidates) + 2
        self._last = len(candidates) + 1
        self._occurrences: Counter[tuple[str, ...]] = Counter()
        self._readings: dict[str, tuple[int, tuple[GrammarWord, ...]]] = {}
        self._others: dict[str, tuple[int, tuple[GrammarWord, ...]]] = {}
        phones_left = _MAX_OTHER_PHONES
        for at, candidate in enumerate(candidates):
            first = [self._add_reading(decoder, at, candidate.unit, r) for r in candidate.readings]
            is_free = freedom.other_readings and candidate.may_differ
            phones = max(2, candidate.fewest_phones // 2)
            if is_free and len(self._others) < _MAX_OTHER and phones <= phones_left:
                self._add_other(decoder, at, candidate.unit, first[0], phones)
                phones_left -= phones
            left_out = freedom.ending.cost(len(candidates) - at)
            self.arcs.append(Arc(at, self._final, cost=left_out))
            if freedom.jumps is not None:
                self._add_jumps(at, len(candidates), freedom.jumps)
        self.arcs.append(Arc(len(candidates), self._final))
        self.arcs = [self._renumbered(arc) for arc in self.arcs]

    @property
    def _final(self) -> int:
        return -1

    def _renumbered(self, arc: Arc) -> Arc:
        """The final state is the last one, which is known when all readings have their states."""
        if arc.target != self._final:
            return arc
        return Arc(arc.source, self.states - 1, arc.word, arc.cost)

    def _add_jumps(self, at: int, count: int, jumps: Jumps) -> None:
        furthest = count if jumps.more < _TOO_DEAR else at + jumps.longest
        for target in range(at + 1, min(count, furthest) + 1):
            self.arcs.append(Arc(at, target, cost=jumps.cost(target - at)))

    def _add_reading(
        self, decoder: Decoder, at: int, unit: int, reading: Sequence[tuple[str, ...]]
    ) -> tuple[GrammarWord, ...]:
        words: list[GrammarWord] = []
        for pronunciations in reading:
            words.append(decoder.word(pronunciations, self._occurrences[pronunciations]))
            self._occurrences[pronunciations] += 1
        source = at
        for number, word in enumerate(words, start=1):
            target = at + 1 if number == len(words) else self._new_state()
            self.arcs.append(Arc(source, target, word))
            source = target
        self._readings[words[0].label] = (unit, tuple(words))
        return tuple(words)

    def _add_other(
        self, decoder: Decoder, at: int, unit: int, words: tuple[GrammarWord, ...], phones: int
    ) -> None:
        """Any phones in the place of a unit, at least ``phones``, half as it should have: or it was left out."""
        phone = decoder.word(_PHONES, self._occurrences[_PHONES])
        self._occurrences[_PHONES] += 1
        source, price = at, _OTHER_READING + _OTHER_PHONE
        for _ in range(phones):
            state = self._new_state()
            self.arcs.append(Arc(source, state, phone, price))
            source, price = state, _OTHER_PHONE
        self.arcs.append(Arc(source, source, phone, _OTHER_PHONE))
        self.arcs.append(Arc(source, at + 1))
        self._others[phone.label] = (unit, words)

    def _new_state(self) -> int:
        self._last += 1
        self.states = self._last + 1
        return self._last - 1

    def places(self, segments: Sequence[Segment]) -> list[Placed]:
        """Units in ``segments``, in order. A reading of which a word is missing is no place."""
        spoken = [segment for segment in segments if segment.is_word]
        found: list[Placed] = []
        at = 0
        while at < len(spoken):
            if other := self._others.get(_label(spoken[at])):
                end = at + 1
                while end < len(spoken) and _label(spoken[end]) == _label(spoken[at]):
                    end += 1
                score = sum(part.score for part in spoken[at:end])
                found.append(
                    Placed(other[0], spoken[at].start, spoken[end - 1].end, score, other[1], True)
                )
                at = end
                continue
            unit, words = self._readings.get(_label(spoken[at]), (-1, ()))
            parts = spoken[at : at + len(words)]
            if not words or [_label(part) for part in parts] != [word.label for word in words]:
                at += 1
                continue
            score = sum(part.score for part in parts)
            found.append(Placed(unit, parts[0].start, parts[-1].end, score, words))
            at += len(words)
        return found


def _label(segment: Segment) -> str:
    """The label without the number of the pronunciation."""
    return segment.label.split("(", 1)[0]
