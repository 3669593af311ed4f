"""What the model's answer means: ``language English<asr_text>the words``."""

from dataclasses import dataclass

from speech_service.engines.qwen_release.recognition import TAGS

TEXT_MARK = "<asr_text>"
_LANGUAGE_MARK = "language "
_SILENCE = "none"


@dataclass(frozen=True, slots=True)
class AsrAnswer:
    """Text and BCP-47 language; both are empty for silence."""

    text: str
    language: str


def parse(raw: str, forced_language: str) -> AsrAnswer:
    """Read a whole or an unfinished answer.

    Args:
        raw: decoded tokens without special ones.
        forced_language: BCP-47 tag that the prompt ended with; the answer is then text only. "" where the model chose.
    """
    if forced_language:
        return AsrAnswer(raw.strip(), forced_language)
    head, mark, text = raw.partition(TEXT_MARK)
    if not mark:
        return _without_mark(raw.strip())
    name = head.strip().removeprefix(_LANGUAGE_MARK).strip().casefold()
    text = text.strip()
    if name == _SILENCE and not text:
        return AsrAnswer("", "")
    return AsrAnswer(text, TAGS.get(name, ""))


def _without_mark(raw: str) -> AsrAnswer:
    """A header that is not finished yet says nothing; anything else is text."""
    if raw.startswith(_LANGUAGE_MARK.strip()) or _LANGUAGE_MARK.startswith(raw):
        return AsrAnswer("", "")
    return AsrAnswer(raw, "")
