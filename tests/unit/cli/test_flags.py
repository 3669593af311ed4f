"""Errors of the server in the words of the command that was typed."""

import argparse

import grpc
import pytest

from speech_client.errors import FieldViolation, SpeechApiError
from speech_service.cli import build_parser
from speech_service.cli.failure import explain


def typed(*words: str) -> argparse.Namespace:
    return build_parser(words[0]).parse_args(words[1:])


@pytest.mark.parametrize(
    ("words", "field", "says"),
    [
        (("recognize", "a.wav", "--language", "xx"), "config.language.codes[0]", "--language xx"),
        (("synthesize", "Hi", "--sample-rate", "7"), "config.output.sample_rate_hz", "--sample-rate 7"),
        (("recognize", "a", "--raw", "mulaw:8000:9"), "config.audio.raw.channel_count", "--raw"),
        (("translate", "Good", "--to", "xx"), "config.target_languages[0]", "--to xx"),
        (("translate", "Good", "--to", "pt", "--from", "q"), "config.source_language", "--from q"),
        (("translate", "--file", "empty.txt", "--to", "pt"), "text", "empty.txt"),
        (("translate", "--file", "bad.srt", "--to", "pt"), "subtitles.text", "bad.srt"),
        (("synthesize", "@book.txt", "--play"), "text", "book.txt"),
        (("synthesize", "a secret", "--play"), "text", "the text"),
        (("align", "talk.wav", "--text", "Hi", "--language", "xx"), "config.language", "--language xx"),
        (("listen", "mic", "--end-silence-ms", "1"), "config.endpointing.end_silence", "--end-silence-ms 1"),
        # What has no word here keeps the name of the wire.
        (("recognize", "a.wav"), "config.language.codes[0]", "config.language.codes[0]"),
        (("models",), "config.model", "config.model"),
    ],
)  # fmt: skip
def test_a_field_is_told_as_what_was_typed(words: tuple[str, ...], field: str, says: str) -> None:
    error = SpeechApiError(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{field}: is wrong. Allowed: others.",
        reason="INVALID_FIELD",
        field_violations=[FieldViolation(field, "is wrong")],
        metadata={"request_id": "r-1", "limit": "7"},
        request_id="r-1",
    )
    failure = explain(error, None, typed(*words))
    assert str(failure) == f"INVALID_FIELD: {says}: is wrong. Allowed: others."
    assert "a secret" not in f"{failure}{failure.details}"
    # --verbose adds what the line does not say, once.
    assert f"field {field}" in failure.details
    assert failure.details.count("r-1") == 1
    assert "is wrong" not in failure.details
    assert "limit: 7" in failure.details


def test_a_guessed_language_is_named_with_from() -> None:
    error = SpeechApiError(
        grpc.StatusCode.FAILED_PRECONDITION,
        "no model translates; if it is another, name it, as source_language",
        reason="NO_TRANSLATOR_FOR_PAIR",
    )
    given = typed("translate", "Bom dia.", "--to", "en")
    assert str(explain(error, None, given)).endswith("name it, as --from")
