"""What all streams of audio have in common: order, sequence numbers, and messages that mean nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from speech.v1 import recognition_service_pb2
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.audio_fed_stream import AudioFedStream

pb: Any = recognition_service_pb2


class Fed:
    """Notes what is asked of it; it is its own runner and session."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.turn = asyncio.Lock()
        self.runner = self.session = self

    async def feed(self, data: bytes) -> None:
        self.done.append(f"feed {len(data)}")

    async def settle(self) -> None:
        self.done.append("settle")

    async def catch_up(self) -> None:
        self.done.append("catch up")

    async def perform(self, actions: Sequence[str]) -> None:
        self.done += actions

    def finalize(self, control_id: str) -> Sequence[str]:
        return [f"finalize {control_id}"]

    async def end(self) -> None:
        self.done.append("end")


class Wire:
    """Knows ``reset`` alone, which does not wait for audio."""

    instead_of_config = "something else"
    beside_audio: Sequence[str] = ("reset",)

    async def message(self, kind: str, request: Any) -> bool:
        del request
        return kind == "reset"

    def responses(self, event: Any) -> Sequence[Any]:
        return [event] * int(event)


def stream(fed: Fed) -> AudioFedStream[Any, Any, Any]:
    session: Any = fed
    return AudioFedStream(session, Wire(), 8)


def message(**payload: Any) -> Any:
    return pb.StreamingRecognizeRequest(**payload)


async def test_audio_goes_straight_to_the_source_and_the_rest_waits_for_it() -> None:
    fed = Fed()
    opened = stream(fed)
    assert await opened.message(message(audio={"data": b"abcd", "sequence": 0}))
    assert await opened.message(message(keep_alive={}))
    assert await opened.message(message(finalize={"control_id": "f"}))
    assert await opened.message(message(reset={}))
    assert not await opened.message(message(end_of_audio={}))
    await opened.half_close()
    assert fed.done == ["feed 4", "settle", "catch up", "finalize f", "catch up", "end"]


@pytest.mark.parametrize(
    ("payload", "field", "reason"),
    [
        ({"audio": {"data": b"a", "sequence": 1}}, "audio.sequence", "SEQUENCE_GAP"),
        ({"audio": {"data": b"123456789"}}, "audio.data", "LIMIT_EXCEEDED"),
        ({"config": {}}, "config", "CONFIG_REPEATED"),
        ({}, "payload", "INVALID_FIELD"),
        ({"silence": {}}, "payload", "INVALID_FIELD"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    payload: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await stream(Fed()).message(message(**payload))
    assert (caught.value.field, caught.value.reason) == (field, reason)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_event_is_answered_with_any_number_of_messages(count: int) -> None:
    assert list(stream(Fed()).responses(count)) == [count] * count
