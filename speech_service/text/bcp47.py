"""Language tags (BCP 47, RFC 5646): normal form, and which tag serves which.

Parsing and aliases (``iw`` -> ``he``, ``eng`` -> ``en``, ``zh-yue`` -> ``yue``) are langcodes' (MIT); it is imported
with the first tag that needs it, because its tables take 5 MB. Matching is our own and strict: langcodes matches by how
well people understand a language, so that Galician would be served as Spanish.
"""

from collections.abc import Iterable
from functools import lru_cache

import langcodes

from speech_service.domain.errors import InvalidOptionError

ANY = "*"
"""The language range that every tag matches (RFC 4647): of a model that takes whatever it is given."""
_UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo"})
"""Languages that put no space between words, nor between sentences."""
_NORWEGIAN = frozenset({"no", "nb", "nn"})
"""``no`` is the macrolanguage; which of the two is written is often not said."""


def normalize(tag: str, option: str = "language") -> str:
    """The tag in its normal form: shortest code, usual case, deprecated codes replaced.

    Args:
        tag: what the client wrote; ``_`` for ``-`` is taken.
        option: what the tag is to the request, for the error.

    Raises:
        InvalidOptionError: it is not a tag, or its language, script or region is not registered.
    """
    normal = _normal(tag.strip())
    if normal is None:
        raise InvalidOptionError(option, "is not a BCP-47 language tag", "tags such as en, pt-BR")
    return normal


def is_unspaced(tag: str) -> bool:
    """True where texts of the language are joined without a space; ``tag`` is in its normal form or empty."""
    return tag.partition("-")[0] in _UNSPACED


def english_name(tag: str) -> str:
    """What the language is called in English, "" where that is not known: for prompts, which tags confuse.

    Raises:
        InvalidOptionError: it is not a tag.
    """
    normal = normalize(tag)
    language, *rest = normal.split("-")
    for key in (normal, "-".join([language, *[part for part in rest if len(part) == 4]]), language):
        if key in _NAMES:
            return _NAMES[key]
    return ""


def serves(available: str, wanted: str) -> bool:
    """True where a model for ``available`` may serve ``wanted``.

    Languages and scripts must be the same; where a tag names no script, its usual one counts (``zh-TW`` is Hant).
    Regions may differ: a model for ``pt`` serves ``pt-BR``, and one for ``pt-BR`` serves ``pt-PT`` in its way.
    """
    if available == ANY:
        return True
    ours, theirs = _normal(available), _normal(wanted)
    if ours is None or theirs is None:
        return False
    if {ours.split("-")[0], theirs.split("-")[0]} <= _NORWEGIAN:
        return "nn" not in {ours.split("-")[0], theirs.split("-")[0]} or ours == theirs
    return _core(ours) == _core(theirs)


def best_match(wanted: str, available: Iterable[str]) -> str | None:
    """The tag of ``available`` that serves ``wanted``: the same tag, else the first that does; None: none does."""
    tags = list(available)
    if wanted in tags:
        return wanted  # without the tables: most models are asked for just what they declare
    normal = _normal(wanted)
    for tag in tags:
        if normal is not None and _normal(tag) == normal:
            return tag
    return next((tag for tag in tags if serves(tag, wanted)), None)


MAX_CHARACTERS = 64
"""Of a tag; a longer one is none."""


def _normal(tag: str) -> str | None:
    return None if len(tag) > MAX_CHARACTERS else _normal_of_short(tag)


@lru_cache(maxsize=1024)
def _normal_of_short(tag: str) -> str | None:
    try:
        language = langcodes.Language.get(tag, normalize=True)
    except ValueError:  # LanguageTagError is one
        return None
    if not language.language or language.language.startswith("x-") or not language.is_valid():
        return None
    return language.to_tag()


@lru_cache(maxsize=1024)
def _core(tag: str) -> tuple[str, str]:
    """Language and script, the usual one where the tag names none."""
    likely = langcodes.Language.get(tag).maximize()
    language = likely.language or "und"
    return ("zh" if language == "cmn" else language, likely.script or "")


_NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian",
    "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "en-GB": "British English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian",
    "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fil": "Filipino", "fr": "French", "fr-CA": "Canadian French",
    "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese",
    "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "mt": "Maltese", "my": "Burmese", "nb": "Norwegian Bokmål", "ne": "Nepali", "nl": "Dutch",
    "nn": "Norwegian Nynorsk", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese",
    "pt-BR": "Brazilian Portuguese", "pt-PT": "European Portuguese", "ro": "Romanian", "ru": "Russian",
    "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian", "sr": "Serbian",
    "sr-Latn": "Serbian in Latin script", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek",
    "vi": "Vietnamese", "yue": "Cantonese", "zh": "Chinese", "zh-CN": "Simplified Chinese",
    "zh-Hans": "Simplified Chinese", "zh-Hant": "Traditional Chinese", "zh-TW": "Traditional Chinese", "zu": "Zulu",
}  # fmt: skip
