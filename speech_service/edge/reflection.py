"""Reflection under both its names. Imported with its first call, and with it every stub: it tells of all of them."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_channelz.v1 import channelz_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from speech.admin.v1 import model_admin_service_pb2
from speech.v1 import (
    alignment_service_pb2,
    model_service_pb2,
    recognition_service_pb2,
    synthesis_service_pb2,
    translation_service_pb2,
    voice_service_pb2,
)

DESCRIBED = (
    recognition_service_pb2,
    synthesis_service_pb2,
    alignment_service_pb2,
    translation_service_pb2,
    voice_service_pb2,
    model_service_pb2,
    model_admin_service_pb2,
    channelz_pb2,
)
"""Importing a stub puts its file into the descriptor pool, which is where reflection looks."""


def add_reflection(server: Any, name: str, services: Sequence[str]) -> None:
    """Serve reflection of ``services`` under ``name``; the schema of v1alpha and v1 is the same."""
    _register_v1()
    servicer: Any = ReflectionServicer(services)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_registered_method_handlers(name, {"ServerReflectionInfo": handler})


def _register_v1() -> None:
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
