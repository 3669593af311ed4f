"""RPCs of the contract that no code here serves yet: UNIMPLEMENTED with ErrorInfo, like every other error."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from speech_service.domain.errors import NotImplementedYetError


def unimplemented_service(service: ServiceDescriptor) -> grpc.GenericRpcHandler:
    """Handlers for every method of ``service`` that answer UNIMPLEMENTED. Messages are not even parsed."""
    name = service.full_name

    async def unary(request: object, context: object) -> bytes:
        del request, context
        raise _error(name)

    async def stream(request: object, context: object) -> AsyncIterator[bytes]:
        del request, context
        raise _error(name)
        yield b""  # makes it a generator

    handlers: dict[str, Any] = {}
    for method in service.methods:
        if method.client_streaming and method.server_streaming:
            handlers[method.name] = grpc.stream_stream_rpc_method_handler(stream)
        elif method.server_streaming:
            handlers[method.name] = grpc.unary_stream_rpc_method_handler(stream)
        else:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(unary)
    return grpc.method_handlers_generic_handler(name, handlers)


def _error(service: str) -> NotImplementedYetError:
    return NotImplementedYetError(
        f"{service} is part of the contract, but this server has no model for it",
        reason="NO_SUCH_CAPABILITY",
        metadata={"service": service},
    )
