"""Which word rule serves which language."""

from collections.abc import Callable, Sequence
from functools import partial

from speech_service.domain.errors import UnsupportedOptionError
from speech_service.engines.qwen3.aligner.japanese import (
    japanese_words,
    nagisa_segmenter,
)
from speech_service.engines.qwen3.aligner.words import (
    WordRule,
    has_hangul,
    has_kana,
    korean_dictionary,
    korean_words,
    spaced_words,
)

RuleOfText = Callable[[str, str], WordRule]
"""How to cut a text, given the BCP-47 tag of its language ("": not known) and the text."""


def word_rules(languages: Sequence[str]) -> RuleOfText:
    """Rules for the languages of the model; those that it lacks are refused.

    Raises:
        ImportError: Japanese is among them and nagisa is not installed.
    """
    special: dict[str, WordRule] = {}
    if "ko" in languages:
        special["ko"] = partial(korean_words, known=korean_dictionary())
    if "ja" in languages:
        special["ja"] = partial(japanese_words, segment=nagisa_segmenter())

    def rule(language: str, text: str) -> WordRule:
        subtag = language.split("-", 1)[0].lower() or _language_by_script(text)
        if subtag and subtag not in languages:
            raise UnsupportedOptionError("language", "the aligner does not have it", languages)
        return special.get(subtag, spaced_words)

    return rule


def _language_by_script(text: str) -> str:
    """A language with a rule of its own, where the text shows it."""
    if has_kana(text):
        return "ja"
    return "ko" if has_hangul(text) else ""
