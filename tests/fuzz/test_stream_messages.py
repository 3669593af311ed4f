"""StreamingRecognize with messages that nobody would send: an answer or a detailed error, and the server lives."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import grpc
from grpc import aio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech.v1 import recognition_service_pb2 as pb
from tests.fuzz.messages import messages
from tests.integration.failures import WAIT_S, Failure, half_close, rpc_error, send
from tests.integration.harness import Server, auto_config, chunk, raw_config, request, running
from tests.integration.sound import speech

METHOD = "/speech.v1.RecognitionService/StreamingRecognize"
ALLOWED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}

any_message = messages(pb.StreamingRecognizeRequest.DESCRIPTOR)
good_message = st.sampled_from(
    [
        chunk(speech(300)),
        request(finalize={"control_id": "f"}),
        request(reset={}),
        request(keep_alive={}),
        request(silence={"duration": {"seconds": 2}}),
        request(update_config={"update_mask": {"paths": ["endpointing"]}}),
    ]
)
first_message = st.one_of(
    st.sampled_from([request(config=raw_config()), request(config=auto_config())]),
    messages(pb.RecognitionConfig.DESCRIPTOR).map(lambda config: request(config=config)),
    any_message,
)


class Conversation(tuple[bytes, ...]):
    """Encoded client messages; shown cut, because audio is long."""

    def __repr__(self) -> str:
        return f"<{[data[:120] for data in self]}>"


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Encoded client messages, some of them damaged."""
    spoken = [draw(first_message)]
    spoken += draw(st.lists(st.one_of(good_message, any_message), max_size=5))
    encoded = [message.SerializeToString() for message in spoken]
    if encoded and draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(encoded) - 1))
        data = bytearray(encoded[at])
        for _ in range(draw(st.integers(1, 4))):
            if data:
                data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        encoded[at] = bytes(data[: draw(st.integers(0, len(data)))])
    return Conversation(encoded)


async def converse(server: Server, spoken: Conversation) -> None:
    call: Any = server.channel.stream_stream(
        METHOD, response_deserializer=pb.StreamingRecognizeResponse.FromString
    )()
    for data in spoken:
        if not await send(call, data):
            break  # it ended while we spoke
    await half_close(call)
    events: list[str | None] = []
    async with asyncio.timeout(WAIT_S):
        try:
            while (event := await call.read()) is not aio.EOF:
                events.append(event.WhichOneof("event"))
        except aio.AioRpcError:
            pass
        status = await rpc_error(call)
    if status.code() is grpc.StatusCode.OK:
        assert events[0] == "session_started"
        assert events[-1] == "session_ended"
        return
    failure = Failure.of(status)
    assert failure.code in ALLOWED, failure


def test_conversations_of_any_kind() -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> Server:
            return await stack.enter_async_context(running())

        server = runner.run(start())

        @settings(
            max_examples=60,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(conversations())
        def one(spoken: Conversation) -> None:
            runner.run(converse(server, spoken))

        try:
            one()
            runner.run(server.works())
            runner.run(server.idle())
        finally:
            runner.run(stack.aclose())
