"""What becomes of the texts of a work item, in every translator.

An engine's item ends as one ``WorkDone`` even where some of its texts failed: a text that cannot be translated must not
cost the others their translation. Such a text has an empty translation and a note. An item fails as a whole only where
none of its texts could be translated.
"""

from dataclasses import dataclass

from speech_service.domain.errors import InvalidOptionError, SpeechError
from speech_service.domain.translation import Translation
from speech_service.domain.work import TranslateWork, WorkDone, WorkFailed, WorkTiming


@dataclass(frozen=True, slots=True)
class FailedText:
    """A text that has no translation. ``index`` counts the texts of the item."""

    index: int
    error: SpeechError


@dataclass(frozen=True, slots=True)
class LostTerm:
    """A glossary entry that the translation of a text does not keep. Both count from 0."""

    text_index: int
    glossary_index: int


@dataclass(frozen=True, slots=True)
class TranslatedTexts:
    """One translation for each text, in order; "" where it failed or the text is empty."""

    texts: tuple[str, ...]
    failed: tuple[FailedText, ...] = ()
    lost_terms: tuple[LostTerm, ...] = ()
    changed: tuple[int, ...] = ()
    """Texts whose translation does not keep every number, sign or placeholder."""


def check_text(text: str, index: int) -> SpeechError | None:
    """The error of a text that no model can take: it has unpaired surrogates or NUL."""
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in text):
        problem = "holds characters that are not text"
        return InvalidOptionError(f"texts[{index}]", problem, reason="INVALID_TEXT")
    return None


def finished(
    work: TranslateWork, result: TranslatedTexts, steps: int = 0, busy_ms: float = 0.0
) -> WorkDone | WorkFailed:
    """The end of an item: the first error where no text that needed a translation got one."""
    failed = {failure.index for failure in result.failed}
    translated = any(text.strip() and index not in failed for index, text in enumerate(work.texts))
    if failed and not translated:
        return WorkFailed(work.work_id, result.failed[0].error)
    timing = WorkTiming(decode_ms=busy_ms, decode_steps=steps)
    return WorkDone(work.work_id, Translation(result.texts, _notes(result), result.changed), timing)


def _notes(result: TranslatedTexts) -> tuple[str, ...]:
    """What could not be done, without a word of the texts."""
    failures = [
        f"texts[{failure.index}] has no translation: {failure.error.message} ({failure.error.reason})"
        for failure in result.failed
    ]
    terms = [
        f"texts[{lost.text_index}]: config.glossary[{lost.glossary_index}] is not kept"
        for lost in result.lost_terms
    ]
    return (*failures, *terms)
