"""Values of translation and language identification."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GlossaryEntry:
    """A term and what it becomes in ``target_language`` (empty: in every one). ``do_not_translate`` keeps it."""

    source: str
    target: str = ""
    target_language: str = ""
    do_not_translate: bool = False


@dataclass(frozen=True, slots=True)
class IgnoredOption:
    """An option of a request that a model cannot heed, and why."""

    option: str
    problem: str


@dataclass(frozen=True, slots=True)
class TranslationRoute:
    """Which model translates a pair, and what of the request it can heed."""

    model: str
    glossary: tuple[GlossaryEntry, ...] = ()
    context: str = ""
    ignored: tuple[IgnoredOption, ...] = ()
    """What it cannot heed."""


@dataclass(frozen=True, slots=True)
class FailedText:
    """A text of a work item that has no translation, and the error that says why. ``text_index`` counts from 0."""

    text_index: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class LostTerm:
    """An entry of the glossary that the translation of a text does not keep. Both count from 0."""

    text_index: int
    glossary_index: int


@dataclass(frozen=True, slots=True)
class Translation:
    """One translated text for each text given, in order; "" where it failed or the text is empty."""

    texts: tuple[str, ...]
    failed: tuple[FailedText, ...] = ()
    lost_terms: tuple[LostTerm, ...] = ()
    changed: tuple[int, ...] = ()
    """Texts, counted from 0, of which a number, sign or placeholder is not in the translation."""


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """A language, BCP-47, with its probability where the identifier gives one."""

    code: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class SubtitleCue:
    """One cue; times in milliseconds."""

    index: int
    start_ms: int
    end_ms: int
    text: str
