"""Language tags and what the release calls them. Dialects have tags of private use (BCP 47, section 2.2.7)."""

from collections.abc import Collection, Mapping

from speech_service.domain.errors import UnsupportedOptionError

NAMES: Mapping[str, str] = {
    "zh": "chinese", "en": "english", "ja": "japanese", "ko": "korean", "de": "german", "fr": "french",
    "ru": "russian", "pt": "portuguese", "es": "spanish", "it": "italian",
    "zh-x-beijing": "beijing_dialect", "zh-x-sichuan": "sichuan_dialect",
}  # fmt: skip


def tags_of(names: Collection[str]) -> tuple[str, ...]:
    """Tags of the languages that a checkpoint knows by these names."""
    return tuple(tag for tag, name in NAMES.items() if name in names)


def name_of(tag: str, names: Collection[str]) -> str:
    """The checkpoint's name of a language; an empty tag leaves it to the model.

    Raises:
        UnsupportedOptionError: the checkpoint does not speak it.
    """
    if not tag:
        return ""
    name = NAMES.get(tag)
    if name is None or name not in names:
        problem = f"{tag[:35]!r} is no language of this model"
        raise UnsupportedOptionError("config.language", problem, tags_of(names))
    return name
