"""The error tree: what each error tells a client."""

import re

import pytest

from speech_service.domain import errors
from speech_service.domain.errors import (
    InvalidAudioError,
    InvalidFieldError,
    LimitExceededError,
    OverloadedError,
    ResourceNotFoundError,
    SpeechError,
    UnsupportedOptionError,
)

TREE = [t for t in vars(errors).values() if isinstance(t, type) and issubclass(t, SpeechError)]


@pytest.mark.parametrize("error", TREE)
def test_a_reason_is_upper_snake_and_the_tree_in_the_docstring_is_complete(
    error: type[SpeechError],
) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", error.reason)  # AIP-193
    if error is not errors.RetryableError:  # a mix-in of two leaves
        assert error.__name__ in (errors.__doc__ or "")


def test_an_invalid_field_says_what_is_allowed() -> None:
    error = InvalidFieldError("config.pacing", "is unknown", "REALTIME, FILE")
    assert str(error) == "config.pacing: is unknown. Allowed: REALTIME, FILE."
    assert str(InvalidFieldError("a", "is wrong")) == "a: is wrong."


def test_a_reason_may_be_more_precise_than_its_type() -> None:
    error = InvalidAudioError("audio.data", "has half a sample", reason="ODD_BYTES")
    assert error.reason == "ODD_BYTES"
    assert InvalidAudioError.reason == "INVALID_AUDIO"


def test_a_limit_stands_in_the_metadata_with_its_unit() -> None:
    error = LimitExceededError("audio.data", "max_audio_message_bytes", 1024)
    assert error.metadata == {"max_audio_message_bytes": "1024"}
    assert error.allowed == "at most 1024"


def test_an_unsupported_option_lists_what_is_supported() -> None:
    error = UnsupportedOptionError("config.language", "is no language here", ["en", "pt"])
    assert error.metadata == {"supported": "en, pt"}


def test_a_missing_resource_is_named() -> None:
    error = ResourceNotFoundError("voice", "amy", "ListVoices tells.")
    assert error.reason == "VOICE_NOT_FOUND"
    assert error.message == "no voice is named 'amy'. ListVoices tells."


def test_metadata_is_copied() -> None:
    metadata = {"a": "1"}
    error = OverloadedError("full", metadata=metadata, retry_after_ms=250)
    metadata["a"] = "2"
    assert (error.metadata, error.retry_after_ms) == ({"a": "1"}, 250)
