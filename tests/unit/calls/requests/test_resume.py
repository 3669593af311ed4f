"""Where a session may go on: the token, and what contradicts itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.calls.requests import resume
from speech_service.calls.requests.resume import WantedResume, resume_point, resume_token
from speech_service.domain.call import Call, new_id
from speech_service.domain.errors import InvalidOptionError, SpeechError
from speech_service.domain.principal import Principal

SERVICE = "speech.v1.RecognitionService"
PARTS = ("segments",)


def call(method: str = "StreamingRecognize") -> Call:
    return Call(SERVICE, method, "bidi_stream", "request", session_id=new_id())


def wanted(**fields: Any) -> WantedResume:
    return WantedResume(**{"token": resume_token(call()), **fields})


def test_every_part_of_a_session_names_the_first() -> None:
    first, second, third = call(), call(), call()
    point = resume_point(
        WantedResume(token=resume_token(first), from_ms=900, last_segment_id=2), second, PARTS
    )
    assert (point.from_ms, point.audio_from_ms, point.last_segment_id) == (900, 900, 2)
    assert second.resumed_session_id == first.session_id
    resume_point(WantedResume(token=resume_token(second)), third, PARTS)
    assert third.resumed_session_id == first.session_id
    assert resume_token(third) == resume_token(first)


def test_a_token_fits_in_its_field() -> None:
    assert len(resume_token(call("StreamingTranslate"))) <= 128


@given(st.data())
def test_a_token_that_lost_or_gained_anything_is_refused(data: st.DataObject) -> None:
    token = resume_token(call())
    at = data.draw(st.integers(0, len(token) - 1))
    by = data.draw(st.sampled_from(["", "0", "zz", ".", "\0", "\n"]))
    damaged = token[:at] + by + token[at + 1 :]
    if damaged == token:
        return
    with pytest.raises(InvalidOptionError) as caught:
        resume_point(WantedResume(token=damaged), call(), PARTS)
    assert caught.value.reason == "INVALID_RESUME_TOKEN"
    assert caught.value.option == "resume.token"


def test_what_a_forged_token_names_is_a_session_or_nothing() -> None:
    body = "r1.no session at all.StreamingRecognize.-"
    forged = f"{body}.{resume.checksum(body)}"
    made = call()
    with pytest.raises(InvalidOptionError):
        resume_point(WantedResume(token=forged), made, PARTS)
    assert made.resumed_session_id == ""


@pytest.mark.parametrize("method", ["StreamingAlign", "StreamingTranslate", "streamingrecognize"])
def test_a_token_is_of_one_method(method: str) -> None:
    with pytest.raises(InvalidOptionError, match="is of StreamingRecognize"):
        resume_point(wanted(), call(method), PARTS)


def of_tenant(tenant: str) -> Call:
    made = call()
    made.principal = Principal(tenant)
    return made


@pytest.mark.parametrize("tenant", ["", "second"], ids=["nobody", "another"])
def test_a_token_of_another_tenant_is_refused(tenant: str) -> None:
    token = resume_token(of_tenant("first"))
    with pytest.raises(SpeechError) as caught:
        resume_point(WantedResume(token=token), of_tenant(tenant), PARTS)
    assert caught.value.reason == "SESSION_NOT_FOUND"
    assert "first" not in f"{token} {caught.value.message}"
    resume_point(WantedResume(token=token), of_tenant("first"), PARTS)


@pytest.mark.parametrize(
    ("fields", "separate", "option"),
    [
        ({"from_ms": 2**32 - 1}, False, "resume.from_ms"),
        ({"from_ms": 10, "channels_from_ms": (10, 9)}, True, "resume.channel_from_ms[1]"),
        ({"channels_from_ms": (0, 2**32 - 1)}, True, "resume.channel_from_ms[1]"),
        ({"channels_from_ms": (0, 0)}, False, "resume.channel_from_ms"),
        ({"from_ms": 10, "audio_from_ms": 11}, False, "resume.audio_from_ms"),
        ({"from_ms": 10, "last_segment_id": 11}, False, "resume.last_segment_id"),
        ({"from_char": 1}, False, "resume.from_char"),
    ],
    ids=["latest", "channel-before", "channel-latest", "mixed", "begins", "segments", "text"],
)
def test_a_contradiction_is_named(fields: dict[str, Any], separate: bool, option: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        resume_point(wanted(**fields), call(), PARTS, separate_channels=separate)
    assert caught.value.option == option


def test_segments_of_channels_may_be_newer_than_the_common_place() -> None:
    fields = wanted(from_ms=0, channels_from_ms=(0, 5_000), last_segment_id=2)
    point = resume_point(fields, call(), PARTS, separate_channels=True)
    assert (point.channel_from_ms(0), point.channel_from_ms(1)) == (0, 5_000)
