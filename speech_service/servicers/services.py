"""Which services each port has, and how they are put on a server. The only list of them."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_channelz.v1._async import ChannelzServicer
from grpc_health.v1 import health_pb2

from speech.admin.v1 import model_admin_service_pb2, model_admin_service_pb2_grpc
from speech.v1 import (
    alignment_service_pb2,
    alignment_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
    recognition_service_pb2,
    recognition_service_pb2_grpc,
    synthesis_service_pb2,
    synthesis_service_pb2_grpc,
    translation_service_pb2,
    translation_service_pb2_grpc,
    voice_service_pb2,
    voice_service_pb2_grpc,
)
from speech_service.protocols import ModelControl
from speech_service.servicers.alignment import AlignmentServicer
from speech_service.servicers.health import Health, add_reflection
from speech_service.servicers.model_admin import ModelAdminServicer
from speech_service.servicers.models import ModelServicer
from speech_service.servicers.parts import EdgeParts
from speech_service.servicers.recognition import RecognitionServicer
from speech_service.servicers.synthesis import SynthesisServicer
from speech_service.servicers.translation import TranslationServicer
from speech_service.servicers.voices import VoiceServicer


class _ProtoFile(Protocol):
    """What both implementations of a file descriptor have."""

    @property
    def services_by_name(self) -> Any: ...


def _service(file: _ProtoFile, name: str) -> ServiceDescriptor:
    return file.services_by_name[name]


_RECOGNITION = _service(recognition_service_pb2.DESCRIPTOR, "RecognitionService")
_ALIGNMENT = _service(alignment_service_pb2.DESCRIPTOR, "AlignmentService")
_TRANSLATION = _service(translation_service_pb2.DESCRIPTOR, "TranslationService")
_MODELS = _service(model_service_pb2.DESCRIPTOR, "ModelService")
_SYNTHESIS = _service(synthesis_service_pb2.DESCRIPTOR, "SynthesisService")
_VOICES = _service(voice_service_pb2.DESCRIPTOR, "VoiceService")
_WORKING = (_RECOGNITION, _SYNTHESIS, _ALIGNMENT, _TRANSLATION)
"""Those that need a worker."""
_PUBLIC = (*_WORKING, _VOICES, _MODELS)
_ADMIN = _service(model_admin_service_pb2.DESCRIPTOR, "ModelAdminService")
_CHANNELZ = _service(channelz_pb2.DESCRIPTOR, "Channelz")
_HEALTH = _service(health_pb2.DESCRIPTOR, "Health")


def make_health() -> Health:
    """Health with one name per service."""
    return Health(_names(_PUBLIC), _names(_WORKING))


def add_public_services(
    server: aio.Server,
    parts: EdgeParts,
    control: ModelControl,
    health: Health,
) -> None:
    """The services that clients use."""
    recognition_service_pb2_grpc.add_RecognitionServiceServicer_to_server(
        RecognitionServicer(parts), server
    )
    synthesis_service_pb2_grpc.add_SynthesisServiceServicer_to_server(
        SynthesisServicer(parts), server
    )
    voice_service_pb2_grpc.add_VoiceServiceServicer_to_server(VoiceServicer(parts), server)
    alignment_service_pb2_grpc.add_AlignmentServiceServicer_to_server(
        AlignmentServicer(parts), server
    )
    translation_service_pb2_grpc.add_TranslationServiceServicer_to_server(
        TranslationServicer(parts), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelServicer(parts.catalog, parts.config.server, control.state), server
    )
    health.add_to(server)
    if parts.config.server.reflection:
        add_reflection(server, _names((*_PUBLIC, _HEALTH)))


def add_admin_services(
    server: aio.Server,
    parts: EdgeParts,
    control: ModelControl,
    health: Health,
    drain: Callable[[float | None], None],
) -> None:
    """The services that operators use, on a port of their own."""
    model_admin_service_pb2_grpc.add_ModelAdminServiceServicer_to_server(
        ModelAdminServicer(parts, control, drain), server
    )
    add: Any = channelz_pb2_grpc.add_ChannelzServicer_to_server  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped package
    add(ChannelzServicer(), server)
    health.add_to(server)
    add_reflection(server, _names((_ADMIN, _CHANNELZ, _HEALTH)))


def _names(services: Sequence[ServiceDescriptor]) -> list[str]:
    return [service.full_name for service in services]
