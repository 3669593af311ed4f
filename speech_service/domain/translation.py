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
class TranslationRoute:
    """Which model translates a pair, and what of the request it can heed."""

    model: str
    glossary: tuple[GlossaryEntry, ...] = ()
    context: str = ""


@dataclass(frozen=True, slots=True)
class Translation:
    """One translated text for each text given, in order.

    ``notes`` say what could not be kept of the request (a glossary term, say). ``changed`` are the texts, counted from
    0, of which a number, sign or placeholder is not in the translation. Both become warnings.
    """

    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    changed: tuple[int, ...] = ()


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
