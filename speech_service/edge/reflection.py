"""Server reflection: grpcio-reflection as it comes, under its own name and under that of v1.

The package knows only v1alpha (grpc/grpc#38576). The messages of v1 are the same, byte for byte, so its handler also
answers under the name that clients try first. Lists of
services name v1alpha alone: the package has a descriptor of that.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: Any, services: Sequence[str]) -> None:
    """Tell of ``services``, whose stubs have been imported, and of reflection itself."""
    servicer: Any = ReflectionServicer((*services, V1ALPHA))
    add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped package
    add(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler}),)
    )
