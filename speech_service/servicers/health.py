"""Health per service (grpc.health.v1), driven by real inference and by draining; and reflection under both names."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import (  # pyright: ignore[reportMissingTypeStubs] - untyped package
    HealthServicer,
)
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """What the health service answers. The empty name stands for the whole server."""

    def __init__(self, services: Sequence[str], model_services: Sequence[str]) -> None:
        """``model_services``: those that need a worker; the others only stop serving when the server drains."""
        self.servicer = HealthServicer()
        self._services = ("", *services)
        self._model_services = ("", *model_services)

    async def start(self) -> None:
        """Everything serves: models load on first need."""
        for name in self._services:
            await self.servicer.set(name, SERVING)

    async def set_models(self, healthy: bool) -> None:
        """The worker answers its heartbeat, or does not."""
        for name in self._model_services:
            await self.servicer.set(name, SERVING if healthy else NOT_SERVING)

    async def drain(self) -> None:
        """NOT_SERVING for good, whatever is set later."""
        await self.servicer.enter_graceful_shutdown()

    def add_to(self, server: aio.Server) -> None:
        """Serve it."""
        add: Any = health_pb2_grpc.add_HealthServicer_to_server  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped package
        add(self.servicer, server)


def _register_reflection_v1() -> None:
    """Put the schema of reflection v1 into the descriptor pool: v1alpha's under the new package name.

    Clients that list methods ask for the descriptor of every service that they were told of.
    """
    renamed = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(renamed)
    old, new = f".{renamed.package}.", ".grpc.reflection.v1."
    renamed.name, renamed.package = "grpc/reflection/v1/reflection.proto", "grpc.reflection.v1"
    for message in renamed.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(old, new)
    for method in renamed.service[0].method:
        method.input_type = method.input_type.replace(old, new)
        method.output_type = method.output_type.replace(old, new)
    descriptor_pool.Default().AddSerializedFile(renamed.SerializeToString())


def add_reflection(server: aio.Server, services: Sequence[str]) -> None:
    """Reflection v1alpha and v1. The package knows only v1alpha (grpc/grpc#38576); the schema is the same."""
    names = (
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    )
    _register_reflection_v1()
    servicer: Any = ReflectionServicer((*services, *names))
    handler: Any = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in names:
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),)
        )
