"""Cuts text that arrives in pieces (the tokens of a language model, say) into what is spoken at once.

A cut is made as soon as it is certain, and never before: whether "Dr." ends a sentence shows in the next word. So the
same text gives the same pieces however it arrives. No piece is longer than a bound; text without a place to cut is
cut at the best one. The rules: ``rules.py``.

Own code. pySBD 0.3.4 and syntok 1.4.4 (both MIT) split a text that is here as a whole: run again on a growing text
they change their mind about pieces already spoken. Neither bounds a piece, and syntok knows three languages.
"""

from dataclasses import dataclass

from speech_service.domain.synthesis import Segmentation
from speech_service.text.sentences.rules import (
    GO_ON,
    LOOK_AHEAD,
    STOPS,
    WAIT,
    best_cut,
    clause_cut,
    clause_rest,
    has_word,
    is_wide,
    late_rest,
    sentence_cut,
    sentence_rest,
)

MAX_PIECE = 300
"""Characters of the longest piece. Speech of it lasts some 20 s."""
_MIN_PIECE = 2
_BLOCK = 4096
"""Long text is taken in blocks of this many characters: cutting copies what is pending."""
_MIN_CLAUSE = 20
"""A clause of less weight is not worth a cut: prosody would lose more than latency gains."""
LONG_PAUSES = 5
"""Pauses after which that ends too which might have gone on."""
_WIDE_WEIGHT = 3
"""A character of a script without spaces says as much as this many letters."""


@dataclass(frozen=True, slots=True)
class SentencePiece:
    """Text to speak at once, exactly as it came, with the white space behind it.

    ``char_start`` and ``char_end`` (exclusive) are its place in all the text, in code points. Pieces follow each
    other without a gap. The last one may hold nothing that can be spoken.
    """

    text: str
    char_start: int
    char_end: int


class SentenceSplitter:
    """Splits one text.

    SENTENCE cuts at the ends of sentences and lines, CLAUSE at those of longer clauses too, IMMEDIATE at the end of
    every push, MANUAL as SENTENCE, but gives all its pieces at ``flush``.

    Takes time in proportion to the text, however it arrives: of each push, no more than one piece is looked at again.
    """

    def __init__(
        self,
        mode: Segmentation = Segmentation.SENTENCE,
        language: str = "en",
        max_piece: int = MAX_PIECE,
    ) -> None:
        """Args:
        mode: where text is cut.
        language: BCP-47 code of the text; empty: not known. Some rules depend on it.
        max_piece: characters of the longest piece, at least 2.

        Raises:
            ValueError: ``max_piece`` is below 2.
        """
        if max_piece < _MIN_PIECE:
            raise ValueError(max_piece)
        self._mode = mode
        self._language = language.split("-")[0].lower()
        self._max = max_piece
        self._pending = ""
        self._start = 0
        self._held: list[SentencePiece] = []
        """Pieces of MANUAL that wait for ``flush``."""
        self._forget()

    @property
    def pending(self) -> str:
        """Give text that is in no piece yet."""
        return self._pending

    def push(self, text: str) -> list[SentencePiece]:
        """Take the next text; gives the pieces that are certain now."""
        if self._mode is Segmentation.IMMEDIATE:
            self._pending += text
            self._begun = self._begun or has_word(text)
            return self._cut_all() if self._begun or len(self._pending) > self._max else []
        pieces: list[SentencePiece] = []
        for at in range(0, len(text), _BLOCK):
            self._pending += text[at : at + _BLOCK]
            pieces += self._cut_certain(final=False)
        if self._mode is not Segmentation.MANUAL:
            return pieces
        self._held += pieces
        return []

    def flush(self) -> list[SentencePiece]:
        """Give the rest, as nothing follows. More text may come afterwards, and goes on counting characters."""
        if self._mode is Segmentation.IMMEDIATE:
            return self._cut_all()
        held, self._held = self._held, []
        return held + self._cut_certain(final=True) + self._cut_all()

    @property
    def pauses_to_rest(self) -> int:
        """After how many pauses ``rest`` would give what is pending now: 1, ``LONG_PAUSES``, or 0: after none."""
        return self._resting()[1]

    def rest(self) -> list[SentencePiece]:
        """As many pauses passed as ``pauses_to_rest`` says: gives what is finished, if it is likely to be.

        Only SENTENCE and CLAUSE know that; the other modes give nothing.
        """
        end = self._resting()[0]
        return [self._cut(end)] if end > 0 else []

    def _resting(self) -> tuple[int, int]:
        """Find the end of the one piece that waits for what follows it, and for how many pauses it does.

        No place before ``_scanned`` is one.
        """
        nowhere = WAIT, 0
        if self._mode not in (Segmentation.SENTENCE, Segmentation.CLAUSE):
            return nowhere
        if self._next_cut(final=False) != WAIT or self._scanned >= len(self._pending):
            return nowhere
        text, at, pauses = self._pending, self._scanned, 1
        begun, language = self._begun, self._language
        if sentence_cut(text, at, ready=False, begun=begun, language=language) == WAIT:
            end = sentence_rest(text, at, language=language)
            if end == WAIT:
                end, pauses = late_rest(text, at, language=language), LONG_PAUSES
        else:
            end = clause_rest(text, at)
        return (end, pauses) if GO_ON < end <= self._max else nowhere

    def _forget(self) -> None:
        """A new piece begins: nothing is known of what is pending."""
        self._scanned = 0
        """All places before it are known to be no ends."""
        self._begun = False
        """Whether a word stands before ``_scanned``."""
        self._weight = 0
        """What stands before ``_scanned`` says as much as so many letters."""

    def _cut_certain(self, *, final: bool) -> list[SentencePiece]:
        pieces: list[SentencePiece] = []
        while (end := self._next_cut(final=final)) > 0:
            pieces.append(self._cut(end))
        return pieces

    def _cut_all(self) -> list[SentencePiece]:
        """Give everything that is pending, in pieces that are short enough."""
        text, start = self._pending, self._start
        pieces: list[SentencePiece] = []
        at = 0
        while at < len(text):
            rest = text[at : at + self._max + 1]
            end = at + (best_cut(rest, self._max) if len(rest) > self._max else len(rest))
            pieces.append(SentencePiece(text[at:end], start + at, start + end))
            at = end
        self._pending = ""
        self._start += len(text)
        self._forget()
        return pieces

    def _cut(self, end: int) -> SentencePiece:
        piece = SentencePiece(self._pending[:end], self._start, self._start + end)
        self._pending = self._pending[end:]
        self._start += end
        self._forget()
        return piece

    def _next_cut(self, *, final: bool) -> int:
        """Find the end of the first piece of what is pending; WAIT where it is not certain yet, or there is none."""
        limit = min(len(self._pending), self._max)
        for at in range(self._scanned, limit):
            self._scanned = at
            char = self._pending[at]
            if char in STOPS:
                cut = self._verdict(at, final=final)
                if cut == WAIT:
                    return WAIT
                if GO_ON < cut <= self._max:
                    return cut
            self._begun = self._begun or char.isalnum()
            self._weight += _WIDE_WEIGHT if is_wide(char) else 1
        self._scanned = limit
        enough = self._max + (1 if final else LOOK_AHEAD)
        return best_cut(self._pending, self._max) if len(self._pending) >= enough else WAIT

    def _verdict(self, at: int, *, final: bool) -> int:
        end = at + LOOK_AHEAD
        ready = final or len(self._pending) >= end
        seen = self._pending[:end]
        cut = sentence_cut(seen, at, ready=ready, begun=self._begun, language=self._language)
        if cut == GO_ON and self._mode is Segmentation.CLAUSE and self._weight >= _MIN_CLAUSE:
            return clause_cut(seen, at, ready=ready)
        return cut
