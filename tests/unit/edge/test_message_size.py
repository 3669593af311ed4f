"""What a message may take is known from its bytes: audio and long text are large, everything else is not."""

import contextlib
import random

import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from benchmarks.faults.messages import empty_strings, field, number
from speech.v1 import recognition_service_pb2, synthesis_service_pb2, translation_service_pb2
from speech_service.config.tree import Config, ServerConfig
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.message_size import MAX_FIELDS, REST_BYTES, MessageSizes

SIZES = MessageSizes(Config())
RECOGNIZE = recognition_service_pb2.RecognizeRequest
STREAM = recognition_service_pb2.StreamingRecognizeRequest
TRANSLATE = translation_service_pb2.TranslateTextRequest
HEALTH = health_pb2.HealthCheckRequest
SPEAK = synthesis_service_pb2.StreamingSynthesizeRequest
MIB = 1024 * 1024


def check(kind: type[Message], data: bytes) -> None:
    SIZES.of(kind.DESCRIPTOR).check(data)  # pyright: ignore[reportArgumentType] - one of two implementations


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (RECOGNIZE, field(2, b"\0" * 15 * MIB)),
        (RECOGNIZE, field(2, b"\0" * 8 * MIB) + field(1, b"") + field(2, b"\0" * 7 * MIB)),
        (STREAM, field(2, field(1, b"\0" * MIB))),
        (TRANSLATE, field(4, field(2, "\u4e16" * 1_400_000))),
        (SPEAK, field(1, field(4, field(2, b"\0" * 15 * MIB)))),
        (SPEAK, field(5, field(1, field(4, field(2, b"\0" * 15 * MIB))))),
        (TRANSLATE, field(3, field(1, "\u4e16" * 100) * 1_000)),
    ],
)
def test_what_a_client_may_send(kind: type[Message], data: bytes) -> None:
    check(kind, data)


@pytest.mark.parametrize(
    ("kind", "data", "limit_name"),
    [
        (STREAM, field(2, field(1, b"\0" * 4 * MIB)), "max_message_bytes"),
        (TRANSLATE, field(3, empty_strings(1, 4 * MIB)), "max_rest_bytes"),
        (TRANSLATE, field(4, field(2, "a" * 9 * MIB)), "max_content_bytes"),
        (RECOGNIZE, field(1, field(3, empty_strings(1))), "max_rest_bytes"),
        (RECOGNIZE, field(1, field(4, empty_strings(2, 3 * MIB))) + field(2, b"\0" * MIB), "max_rest_bytes"),
        (RECOGNIZE, empty_strings(2, 3 * MIB), "max_fields"),
        (SPEAK, field(1, empty_strings(10, 3 * MIB)), "max_fields"),
        (SPEAK, field(1, field(6, b"")) * MIB, "max_fields"),
        (RECOGNIZE, number(900, 1) * MIB, "max_fields"),
    ],
)  # fmt: skip
def test_what_it_may_not(kind: type[Message], data: bytes, limit_name: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        check(kind, data)
    assert limit_name in caught.value.metadata


def test_messages_that_nobody_knows_are_small() -> None:
    SIZES.of(None).check(b"a" * REST_BYTES)
    with pytest.raises(InvalidFieldError):
        SIZES.of(None).check(b"a" * (REST_BYTES + 1))


def test_probes_send_names_and_no_more() -> None:
    """A name that is not known was kept for as long as somebody watched it, and up to two megabytes of it."""
    check(HEALTH, field(1, "a" * 4_000))
    with pytest.raises(InvalidFieldError):
        check(HEALTH, field(1, "a" * 5_000))


def test_the_configuration_has_the_last_word() -> None:
    config = Config(server=ServerConfig(max_message_bytes=3 * MIB))
    with pytest.raises(InvalidFieldError):
        MessageSizes(config).of(RECOGNIZE.DESCRIPTOR).check(field(2, b"\0" * 4 * MIB))


def test_no_bytes_break_it() -> None:
    """What is no message is refused or left to protobuf, whatever it is, and never for long."""
    noise = random.Random(0)
    for _ in range(20):
        data = noise.randbytes(REST_BYTES + 4096)
        with contextlib.suppress(InvalidFieldError):
            check(RECOGNIZE, data)
    for end in (b"\x12", b"\x12\xff\xff\xff\xff\x7f", b"\xff" * 11, b"\x09\0"):
        with pytest.raises(InvalidFieldError):
            check(RECOGNIZE, field(2, b"\0" * REST_BYTES) + end)


def test_honest_messages_have_far_fewer_fields() -> None:
    assert MAX_FIELDS >= 4 * (1_000 + 500 + 100)
