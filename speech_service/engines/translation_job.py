"""What becomes of the texts of a work item, in every translator.

An engine's item ends as one ``WorkDone`` even where some of its texts failed: a text that cannot be translated must not
cost the others their translation. Such a text has an empty translation and says why. An item fails as a whole only
where none of its texts could be translated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from speech_service.domain.errors import InvalidOptionError, SpeechError
from speech_service.domain.translation import FailedText, LostTerm, Translation
from speech_service.domain.work import TranslateWork, WorkDone, WorkFailed, WorkTiming


@dataclass(frozen=True, slots=True)
class TranslatedTexts:
    """One translation for each text, in order; "" where it failed or the text is empty."""

    texts: tuple[str, ...]
    errors: Mapping[int, SpeechError]
    """Of texts that have no translation, by their place."""
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
    failed = [
        FailedText(index, error.reason, error.message) for index, error in result.errors.items()
    ]
    translated = any(
        text.strip() and index not in result.errors for index, text in enumerate(work.texts)
    )
    if failed and not translated:
        return WorkFailed(work.work_id, next(iter(result.errors.values())))
    timing = WorkTiming(decode_ms=busy_ms, decode_steps=steps)
    outcome = Translation(result.texts, tuple(failed), result.lost_terms, result.changed)
    return WorkDone(work.work_id, outcome, timing)
