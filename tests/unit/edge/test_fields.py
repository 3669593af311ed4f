"""From what the domain names to paths on the wire."""

import pytest

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.domain.errors import (
    InvalidFieldError,
    LimitExceededError,
    PreconditionError,
    SpeechError,
    UnavailableError,
    UnexpectedInputError,
    UnsupportedOptionError,
)
from speech_service.edge.fields import Fields

FIELDS = Fields.of(
    pb.SynthesisConfig.DESCRIPTOR, "config", voice="config.voice_id", text="text.text"
)


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("language", "config.language"),
        ("voice", "config.voice_id"),
        ("text", "text.text"),
        ("lexicon[2].term", "config.lexicon[2].term"),
        ("output.sample_rate_hz", "config.output.sample_rate_hz"),
        ("texts[0]", "texts[0]"),
        ("config.language", "config.language"),
        ("", ""),
    ],
)
def test_an_option_has_a_path(option: str, path: str) -> None:
    assert FIELDS.path(option) == path


def test_an_error_of_an_option_becomes_one_of_its_field() -> None:
    with pytest.raises(InvalidFieldError) as caught, FIELDS.named():
        raise UnsupportedOptionError("voice", "is unknown", ["amy", "bob"])
    error = caught.value
    assert error.message == "config.voice_id: is unknown. Allowed: amy, bob."
    assert (error.field, error.reason) == ("config.voice_id", "UNSUPPORTED_OPTION")
    assert error.metadata == {"supported": "amy, bob"}
    limit = FIELDS.error(LimitExceededError("text", "max_text_characters", 5))
    assert limit.message == "text.text: exceeds max_text_characters. Allowed: at most 5."
    assert limit.reason == "LIMIT_EXCEEDED"


def test_what_came_too_late_keeps_its_name() -> None:
    error = FIELDS.error(UnexpectedInputError("text", "came late"))
    assert (error.message, error.reason) == ("text: came late.", "OUT_OF_ORDER")


def test_a_precondition_of_an_option_names_its_field() -> None:
    error = FIELDS.error(PreconditionError("voice", "there is none", reason="NO_VOICE"))
    assert isinstance(error, PreconditionError)
    assert (error.subject, error.message, error.reason) == (
        "config.voice_id",
        "there is none",
        "NO_VOICE",
    )


@pytest.mark.parametrize(
    "error",
    [
        InvalidFieldError("text", "is blank"),
        PreconditionError("en>pt", "there is none"),
        UnavailableError("later"),
    ],
)
def test_other_errors_stay_as_they_are(error: SpeechError) -> None:
    assert FIELDS.error(error) is error
