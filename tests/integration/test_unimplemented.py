"""RPCs of later work answer UNIMPLEMENTED with ErrorInfo, whatever is sent."""

from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from grpc import aio

from speech.v1 import (
    alignment_service_pb2,
    synthesis_service_pb2,
    translation_service_pb2,
    voice_service_pb2,
)
from tests.integration.failures import Failure, send
from tests.integration.harness import Server

FILES: list[Any] = [
    synthesis_service_pb2.DESCRIPTOR,
    alignment_service_pb2.DESCRIPTOR,
    translation_service_pb2.DESCRIPTOR,
    voice_service_pb2.DESCRIPTOR,
]
METHODS: list[MethodDescriptor] = [
    method
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
]


def test_all_of_them_are_here() -> None:
    assert len(METHODS) == 12


@pytest.mark.parametrize("body", [b"", b"\xff\xff not a message"], ids=["empty", "garbage"])
@pytest.mark.parametrize("method", METHODS, ids=[m.full_name for m in METHODS])
async def test_an_rpc_of_later_work(server: Server, method: MethodDescriptor, body: bytes) -> None:
    service = method.containing_service
    assert service is not None
    path = f"/{service.full_name}/{method.name}"
    call: Any
    if method.client_streaming:
        call = server.channel.stream_stream(path)()
        await send(call, body)
    elif method.server_streaming:
        call = server.channel.unary_stream(path)(body)
    else:
        call = server.channel.unary_unary(path)(body)
    with pytest.raises(aio.AioRpcError) as caught:
        await (call.read() if method.server_streaming else call)
    failure = Failure.of(caught.value).is_("UNIMPLEMENTED", "NO_SUCH_CAPABILITY")
    assert failure.info.metadata["service"] == service.full_name
