"""One piece of text through a sentence model, so that no number and no sign is lost on the way.

First all that the model must not touch is a placeholder. Where the answer lost a placeholder, the other form of
placeholder is tried; where it lost a number or a sign that was left to it, those become placeholders too. At last, or
where words left the tags that they stood between, the text between them is translated alone: that reads worse, but
keeps everything.
"""

from collections.abc import Generator, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from speech_service.domain.errors import InvalidOptionError
from speech_service.engines.marian.short_text import checked, is_short
from speech_service.text import signs
from speech_service.text.placeholders import (
    FORMS,
    Protected,
    fragments,
    mask,
    unmask,
    widened,
    without_marks,
)
from speech_service.text.typography import put_back, strict_spans, write_plainly

_SPARE_CHARS = 60
_MAX_GROWTH = 3
"""An answer longer than this many times its text and ``_SPARE_CHARS`` more is a loop, not a translation."""


class Direction(Protocol):
    """A loaded model of one direction."""

    def translate(self, text: str) -> str:
        """Translate one line; holds no lock of Python's while it computes."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedDirection:
    """A model, the characters that it has pieces for (none: that is not known), and the model of the way back."""

    model: Direction
    alphabet: Set[str] = frozenset()
    back: Direction | None = None


@dataclass(frozen=True, slots=True)
class TranslatedPiece:
    """A translation, and whether it keeps every number and sign."""

    text: str
    is_kept: bool


class PieceTranslation:
    """Translates one piece with what is protected in it. ``index`` names its text in errors."""

    def __init__(
        self, loaded: LoadedDirection, text: str, spans: Sequence[Protected], index: int
    ) -> None:
        self._model = loaded.model
        self._back = loaded.back
        self._text = text
        self._spans = spans
        self._index = index

    def run(self) -> Generator[None, None, TranslatedPiece]:
        """Translate; yields after each answer of the model.

        Raises:
            InvalidOptionError: the model answers nonsense.
        """
        found = yield from self._whole(self._spans)
        if found is not None and found.is_kept:
            if self._spans:
                return found
            return TranslatedPiece((yield from self._checked(found.text)), True)
        loose = signs.loose(self._text)
        if found is not None and loose and signs.is_filled(self._text, found.text):
            found = yield from self._whole(widened(self._text, self._spans, loose))
            if found is not None and found.is_kept:
                return found
        marks = strict_spans(self._text)
        found = yield from self._apart(widened(self._text, self._spans, marks))
        if not found.is_kept:
            found = yield from self._apart(widened(self._text, self._spans, [*loose, *marks]))
        return found

    def _checked(self, answer: str) -> Generator[None, None, str]:
        """The answer to a piece of a few words, or a better one."""
        if self._back is None or not is_short(self._text) or signs.loose(self._text):
            return answer
        there, back = self._model.translate, self._back.translate
        return (yield from checked(self._text, answer, there, back))

    def _whole(self, spans: Sequence[Protected]) -> Generator[None, None, TranslatedPiece | None]:
        """The piece in one go, with each form of placeholder in turn; None where no answer has them all."""
        for form in FORMS:
            masked, marks = mask(self._text, spans, form)
            if marks and not _has_words(without_marks(masked, marks)):
                return None
            written = write_plainly(masked)
            answer = self._answer(written.text)
            yield
            whole = put_back(answer, written)
            restored = None if whole is None else unmask(whole, marks)
            if restored is not None:
                left, right = without_marks(masked, marks), without_marks(answer, marks)
                is_kept = signs.kept(left, right) and signs.is_filled(self._text, restored)
                return TranslatedPiece(restored, is_kept)
            if not marks:
                return None
        return None

    def _apart(self, spans: Sequence[Protected]) -> Generator[None, None, TranslatedPiece]:
        """Only what is between the protected spans goes to the model."""
        parts: list[str] = []
        is_kept = True
        for between, kept in fragments(self._text, spans):
            core = between.strip()
            if _has_words(core):
                lead, _, trail = between.partition(core)
                written = write_plainly(core)
                answer = self._answer(written.text)
                yield
                is_kept = is_kept and signs.kept(core, answer)
                between = f"{lead}{put_back(answer, written) or answer}{trail}"
            parts += [between, kept]
        return TranslatedPiece("".join(parts), is_kept)

    def _answer(self, text: str) -> str:
        answer = self._model.translate(text)
        if not answer.strip() or len(answer) > _MAX_GROWTH * len(text) + _SPARE_CHARS:
            problem = "cannot be translated by this model"
            raise InvalidOptionError(f"texts[{self._index}]", problem, reason="UNTRANSLATABLE_TEXT")
        return answer


def _has_words(text: str) -> bool:
    return any(char.isalpha() for char in text)
