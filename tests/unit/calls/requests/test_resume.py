"""Where a session may go on: the token, and what contradicts itself."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.calls.requests.resume import WantedResume, resume_point
from speech_service.calls.resume_tokens import ROOM_AGE_S, ResumeTokens, checksum
from speech_service.domain.call import Call, new_id
from speech_service.domain.errors import InvalidOptionError, SpeechError
from speech_service.domain.principal import Principal

SERVICE = "speech.v1.RecognitionService"
PARTS = ("segments",)
PLAIN = ResumeTokens()
NOW_S = 1_800_000_000.0


def call(method: str = "StreamingRecognize") -> Call:
    return Call(SERVICE, method, "bidi_stream", "request", session_id=new_id())


def wanted(**fields: Any) -> WantedResume:
    return WantedResume(**{"token": PLAIN.of(call()), **fields})


def test_every_part_of_a_session_names_the_first() -> None:
    first, second, third = call(), call(), call()
    point = resume_point(
        WantedResume(token=PLAIN.of(first), from_ms=900, last_segment_id=2), second, PLAIN, PARTS
    )
    assert (point.from_ms, point.audio_from_ms, point.last_segment_id) == (900, 900, 2)
    assert second.resumed_session_id == first.session_id
    resume_point(WantedResume(token=PLAIN.of(second)), third, PLAIN, PARTS)
    assert third.resumed_session_id == first.session_id
    assert PLAIN.of(third) == PLAIN.of(first)


def test_a_token_fits_in_its_field() -> None:
    assert len(PLAIN.of(call("StreamingTranslate"))) <= 128


@given(st.data())
def test_a_token_that_lost_or_gained_anything_is_refused(data: st.DataObject) -> None:
    token = PLAIN.of(call())
    at = data.draw(st.integers(0, len(token) - 1))
    by = data.draw(st.sampled_from(["", "0", "zz", ".", "\0", "\n"]))
    damaged = token[:at] + by + token[at + 1 :]
    if damaged == token:
        return
    with pytest.raises(InvalidOptionError) as caught:
        resume_point(WantedResume(token=damaged), call(), PLAIN, PARTS)
    assert caught.value.reason == "INVALID_RESUME_TOKEN"
    assert caught.value.option == "resume.token"


def test_what_a_forged_token_names_is_a_session_or_nothing() -> None:
    body = "r1.no session at all.StreamingRecognize.-"
    forged = f"{body}.{checksum(body)}"
    made = call()
    with pytest.raises(InvalidOptionError):
        resume_point(WantedResume(token=forged), made, PLAIN, PARTS)
    assert made.resumed_session_id == ""


@pytest.mark.parametrize("method", ["StreamingAlign", "StreamingTranslate", "streamingrecognize"])
def test_a_token_is_of_one_method(method: str) -> None:
    with pytest.raises(InvalidOptionError, match="is of StreamingRecognize"):
        resume_point(wanted(), call(method), PLAIN, PARTS)


def of_tenant(tenant: str) -> Call:
    made = call()
    made.principal = Principal(tenant)
    return made


@pytest.mark.parametrize("tenant", ["", "second"], ids=["nobody", "another"])
def test_a_token_of_another_tenant_is_refused(tenant: str) -> None:
    token = PLAIN.of(of_tenant("first"))
    with pytest.raises(SpeechError) as caught:
        resume_point(WantedResume(token=token), of_tenant(tenant), PLAIN, PARTS)
    assert caught.value.reason == "SESSION_NOT_FOUND"
    assert "first" not in f"{token} {caught.value.message}"
    resume_point(WantedResume(token=token), of_tenant("first"), PLAIN, PARTS)


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
        resume_point(wanted(**fields), call(), PLAIN, PARTS, separate_channels=separate)
    assert caught.value.option == option


def test_segments_of_channels_may_be_newer_than_the_common_place() -> None:
    fields = wanted(from_ms=0, channels_from_ms=(0, 5_000), last_segment_id=2)
    point = resume_point(fields, call(), PLAIN, PARTS, separate_channels=True)
    assert (point.channel_from_ms(0), point.channel_from_ms(1)) == (0, 5_000)


# --- signed tokens ------------------------------------------------------------------------------------


class Server:
    """A front end with a key and a clock of its own."""

    def __init__(self, key: bytes = b"k" * 32, now_s: float = NOW_S) -> None:
        self.now_s = now_s
        self.tokens = ResumeTokens(key, lambda: self.now_s)

    def keeps_room(self, token: str) -> bool:
        """It takes the session up; whether before new ones."""
        made = call()
        self.tokens.read(token, made)
        assert made.resumed_session_id
        return made.has_room_kept


def test_room_is_kept_for_tokens_of_the_same_key() -> None:
    here, there, other = Server(), Server(now_s=NOW_S - 60), Server(b"o" * 32)
    token = here.tokens.of(call())
    assert len(here.tokens.of(call("StreamingTranslate"))) <= 128
    assert here.keeps_room(token)
    assert there.keeps_room(token), "its clock is slow"
    assert not other.keeps_room(token), "it resumes, and is let in like a new one"
    assert not here.keeps_room(PLAIN.of(call())), "likewise one of a server without a key"
    keyless = call()
    PLAIN.read(token, keyless)
    assert keyless.has_room_kept, "a server without a key believes everybody"


def test_room_is_kept_for_a_day_and_each_call_gives_a_new_token() -> None:
    server = Server()
    first = server.tokens.of(call())
    server.now_s += ROOM_AGE_S - 1
    again = call()
    server.tokens.read(first, again)
    second = server.tokens.of(again)
    assert again.has_room_kept
    server.now_s += 2
    assert not server.keeps_room(first)
    assert server.keeps_room(second)
    server.now_s = NOW_S - 3600
    assert not server.keeps_room(first), "it is of a time to come"


@given(st.data())
def test_a_signed_token_that_was_changed_keeps_no_room(data: st.DataObject) -> None:
    server = Server()
    token = server.tokens.of(call())
    at = data.draw(st.integers(0, len(token) - 1))
    by = data.draw(st.sampled_from(["", "0", "a", "zz", ".", "\0", "\n"]))
    changed = token[:at] + by + token[at + 1 :]
    if changed == token:
        return
    made = call()
    with contextlib.suppress(SpeechError):
        server.tokens.read(changed, made)
    assert not made.has_room_kept
