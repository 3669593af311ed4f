"""What every backend of Qwen3-ASR knows: its names for 30 languages, BCP-47, and what it wants to hear."""

VAD_GAIN_DB = 10.0
"""Chosen with the digits of telephone quality: over gRPC their error rate rises with more of it, and with less."""

NAMES: dict[str, str] = {
    "zh": "Chinese",
    "en": "English",
    "yue": "Cantonese",
    "ar": "Arabic",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "id": "Indonesian",
    "it": "Italian",
    "ko": "Korean",
    "ru": "Russian",
    "th": "Thai",
    "vi": "Vietnamese",
    "ja": "Japanese",
    "tr": "Turkish",
    "hi": "Hindi",
    "ms": "Malay",
    "nl": "Dutch",
    "sv": "Swedish",
    "da": "Danish",
    "fi": "Finnish",
    "pl": "Polish",
    "cs": "Czech",
    "fil": "Filipino",
    "fa": "Persian",
    "el": "Greek",
    "ro": "Romanian",
    "hu": "Hungarian",
    "mk": "Macedonian",
}
"""BCP-47 primary subtag -> the model's name."""

TAGS: dict[str, str] = {name.casefold(): tag for tag, name in NAMES.items()}
"""The model's name in lower case -> BCP-47."""


def tags_of(names: list[str]) -> tuple[str, ...]:
    """BCP-47 of a checkpoint's ``support_languages``, in its order; unknown names are left out."""
    return tuple(TAGS[name.casefold()] for name in names if name.casefold() in TAGS)


def name_of(tag: str) -> str:
    """The model's name of a BCP-47 tag, whatever its region ("" for "")."""
    return NAMES[tag.split("-", 1)[0].lower()] if tag else ""
