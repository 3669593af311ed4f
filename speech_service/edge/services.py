"""Which services each port has, and how they are put on a server. The only list of them."""

from dataclasses import dataclass
from typing import Any

from grpc import aio
from grpc_channelz.v1 import channelz_pb2_grpc
from grpc_channelz.v1._async import ChannelzServicer

from speech.admin.v1 import model_admin_service_pb2_grpc
from speech.v1 import (
    alignment_service_pb2_grpc,
    model_service_pb2_grpc,
    recognition_service_pb2_grpc,
    synthesis_service_pb2_grpc,
    translation_service_pb2_grpc,
    voice_service_pb2_grpc,
)
from speech_service.domain.models import ModelKind
from speech_service.edge.admin_v1.models import ModelAdminServicer
from speech_service.edge.health import Health
from speech_service.edge.reflection import add_reflection
from speech_service.edge.v1.alignment.servicer import AlignmentServicer
from speech_service.edge.v1.models import ModelServicer
from speech_service.edge.v1.recognition.servicer import RecognitionServicer
from speech_service.edge.v1.synthesis.servicer import SynthesisServicer
from speech_service.edge.v1.translation.servicer import TranslationServicer
from speech_service.edge.v1.voices import VoiceServicer

RECOGNITION = "speech.v1.RecognitionService"
SYNTHESIS = "speech.v1.SynthesisService"
ALIGNMENT = "speech.v1.AlignmentService"
TRANSLATION = "speech.v1.TranslationService"
VOICES = "speech.v1.VoiceService"
MODELS = "speech.v1.ModelService"
ADMIN = "speech.admin.v1.ModelAdminService"
CHANNELZ = "grpc.channelz.v1.Channelz"
HEALTH = "grpc.health.v1.Health"

WORKING = {
    RECOGNITION: ModelKind.RECOGNIZER,
    SYNTHESIS: ModelKind.SYNTHESIZER,
    ALIGNMENT: ModelKind.ALIGNER,
    TRANSLATION: ModelKind.TRANSLATOR,
}
"""Those that need a worker, with the models that they need there."""
PUBLIC = (*WORKING, VOICES, MODELS)


def make_health() -> Health:
    """Health with one name per service."""
    return Health(PUBLIC, WORKING)


@dataclass(frozen=True, slots=True)
class PublicServices:
    """The services that clients use."""

    recognition: RecognitionServicer
    synthesis: SynthesisServicer
    alignment: AlignmentServicer
    translation: TranslationServicer
    voices: VoiceServicer
    models: ModelServicer


def add_public_services(
    server: aio.Server, services: PublicServices, health: Health, *, reflection: bool
) -> None:
    """Put the services that clients use on the public port."""
    recognition_service_pb2_grpc.add_RecognitionServiceServicer_to_server(
        services.recognition, server
    )
    synthesis_service_pb2_grpc.add_SynthesisServiceServicer_to_server(services.synthesis, server)
    alignment_service_pb2_grpc.add_AlignmentServiceServicer_to_server(services.alignment, server)
    translation_service_pb2_grpc.add_TranslationServiceServicer_to_server(
        services.translation, server
    )
    voice_service_pb2_grpc.add_VoiceServiceServicer_to_server(services.voices, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services.models, server)
    health.add_to(server)
    if reflection:
        add_reflection(server, (*PUBLIC, HEALTH))


def add_admin_services(server: aio.Server, admin: ModelAdminServicer, health: Health) -> None:
    """Put the services that operators use on their own port."""
    model_admin_service_pb2_grpc.add_ModelAdminServiceServicer_to_server(admin, server)
    add_channelz: Any = channelz_pb2_grpc.add_ChannelzServicer_to_server  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped package
    add_channelz(ChannelzServicer(), server)
    health.add_to(server)
    add_reflection(server, (ADMIN, CHANNELZ, HEALTH))
