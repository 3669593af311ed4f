"""What a command calls the fields of a request: errors of the server name the field, users know what they typed."""

import argparse
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_client import SpeechApiError

_FLAGS: tuple[tuple[str, str, str], ...] = (
    # The field, as a pattern; the argument's name in the namespace; how it is written, "" for what has no flag.
    (r"config\.language(\.codes(\[\d+\])?)?", "language", "--language"),
    (r"config\.recognition\.language(\.codes(\[\d+\])?)?", "source", "--from"),
    (r"config\.source_language", "source", "--from"),
    (r"config\.target_languages(\[\d+\])?", "to", "--to"),
    (r"(config\.|config\.recognition\.)?(model|name)", "model", "--model"),
    (r"config\.audio(\.raw(\.\w+)?)?", "raw", "--raw"),
    (r"config\.endpointing\.end_silence", "end_silence_ms", "--end-silence-ms"),
    (r"config\.voice_id", "voice", "--voice"),
    (r"config\.speaking_rate", "rate", "--rate"),
    (r"config\.(output\.)?gain_db|config\.volume_gain_db", "gain", "--gain"),
    (r"config\.output\.sample_rate_hz", "sample_rate", "--sample-rate"),
    (r"config\.output\.encoding", "format", "--format"),
    (r"config\.granularity", "granularity", "--granularity"),
    (r"config\.glossary(\[\d+\].*)?", "term", "--term"),
    (r"config\.context(\.\w+(\[\d+\])?)?", "context", "--context"),
    (r"language", "language", "--language"),
    (r"(subtitles\.|text\.)?text", "file", ""),
    (r"(subtitles\.|text\.)?text", "text", ""),
    (r"audio(\.data)?", "audio", ""),
    (r"audio(\.data)?", "file", ""),
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
        if value in (None, "", []) or not re.fullmatch(pattern, field):
            continue
        if flag:
            shown = value if isinstance(value, str | int | float) else ""
            return f"{flag} {str(shown)[:_LONGEST_VALUE]}".rstrip()
        if name != "text":
            return str(value)
        # A text is not repeated; where it came from is.
        return str(value)[1:] if str(value).startswith("@") else "the text"
    return ""
