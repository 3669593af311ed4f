"""What a command calls the fields of a request: errors of the server name the field, users know what they typed."""

import argparse
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_client import SpeechApiError

_FLAGS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    # The field, as a pattern; the argument's name in the namespace; how it is written, "" for what has no flag.
    (re.compile(r"config\.language(\.codes(\[\d+\])?)?"), "language", "--language"),
    (re.compile(r"config\.recognition\.language(\.codes(\[\d+\])?)?"), "source", "--from"),
    (re.compile(r"config\.source_language"), "source", "--from"),
    (re.compile(r"config\.target_languages(\[\d+\])?"), "to", "--to"),
    (re.compile(r"(config\.|config\.recognition\.)?(model|name)"), "model", "--model"),
    (re.compile(r"config\.audio(\.raw(\.\w+)?)?"), "raw", "--raw"),
    (re.compile(r"config\.endpointing\.end_silence"), "end_silence_ms", "--end-silence-ms"),
    (re.compile(r"config\.voice_id"), "voice", "--voice"),
    (re.compile(r"config\.speaking_rate"), "rate", "--rate"),
    (re.compile(r"config\.(output\.)?gain_db|config\.volume_gain_db"), "gain", "--gain"),
    (re.compile(r"config\.output\.sample_rate_hz"), "sample_rate", "--sample-rate"),
    (re.compile(r"config\.output\.encoding"), "format", "--format"),
    (re.compile(r"config\.granularity"), "granularity", "--granularity"),
    (re.compile(r"config\.glossary(\[\d+\].*)?"), "term", "--term"),
    (re.compile(r"config\.context(\.\w+(\[\d+\])?)?"), "context", "--context"),
    (re.compile(r"language"), "language", "--language"),
    (re.compile(r"(subtitles\.|text\.)?text"), "file", ""),
    (re.compile(r"(subtitles\.|text\.)?text"), "text", ""),
    (re.compile(r"audio(\.data)?"), "audio", ""),
    (re.compile(r"audio(\.data)?"), "file", ""),
)
_LONGEST_VALUE = 40
"""Characters of a value that are shown: a language, a number, a name; never a text."""


def told_in_flags(error: "SpeechApiError", given: argparse.Namespace) -> str:
    """Give the error's message, with what the user typed in place of the field, where the command has a word for it."""
    message = error.message
    for wrong in error.field_violations:
        rest = message.removeprefix(wrong.field)
        if rest == message or not rest.startswith((":", " ")):
            continue
        if word := _word(wrong.field, vars(given)):
            return word + rest
    if "source" in vars(given):
        return message.replace("source_language", "--from")
    return message


def _word(field: str, arguments: dict[str, Any]) -> str:
    for pattern, name, flag in _FLAGS:
        value = arguments.get(name)
        if value in (None, "", []) or not pattern.fullmatch(field):
            continue
        if flag:
            shown = value if isinstance(value, str | int | float) else ""
            return f"{flag} {str(shown)[:_LONGEST_VALUE]}".rstrip()
        if name != "text":
            return str(value)
        # A text is not repeated; where it came from is.
        return str(value)[1:] if str(value).startswith("@") else "the text"
    return ""
