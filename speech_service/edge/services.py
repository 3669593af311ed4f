"""Which services each port has, and how they are put on a server. The only list of them.

Recognition, the models and health are there from the start. The others are imported with their first call (see
``first_call``), and so are their imports here, inside the functions that add them.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from grpc import aio

from speech.v1 import model_service_pb2_grpc, recognition_service_pb2_grpc
from speech_service.calls.parts import EdgeParts
from speech_service.edge.first_call import AddService, ServedFromFirstCall
from speech_service.edge.health import Health
from speech_service.edge.v1.models import ModelServicer
from speech_service.edge.v1.recognition.servicer import RecognitionServicer
from speech_service.protocols import ModelControl

RECOGNITION = "speech.v1.RecognitionService"
SYNTHESIS = "speech.v1.SynthesisService"
ALIGNMENT = "speech.v1.AlignmentService"
TRANSLATION = "speech.v1.TranslationService"
VOICES = "speech.v1.VoiceService"
MODELS = "speech.v1.ModelService"
ADMIN = "speech.admin.v1.ModelAdminService"
CHANNELZ = "grpc.channelz.v1.Channelz"
HEALTH = "grpc.health.v1.Health"
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Two names of one service: the package knows only v1alpha (grpc/grpc#38576)."""

WORKING = (RECOGNITION, SYNTHESIS, ALIGNMENT, TRANSLATION)
"""Those that need a worker."""
PUBLIC = (*WORKING, VOICES, MODELS)


def make_health() -> Health:
    """Health with one name per service."""
    return Health(PUBLIC, WORKING)


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
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelServicer(parts.catalog, parts.config.server, control.report), server
    )
    health.add_to(server)
    _add_later(server, SYNTHESIS, partial(_add_synthesis, parts=parts))
    _add_later(server, ALIGNMENT, partial(_add_alignment, parts=parts))
    _add_later(server, TRANSLATION, partial(_add_translation, parts=parts))
    _add_later(server, VOICES, partial(_add_voices, parts=parts))
    if parts.config.server.reflection:
        _add_reflection(server, (*PUBLIC, HEALTH))


def add_admin_services(
    server: aio.Server,
    parts: EdgeParts,
    control: ModelControl,
    health: Health,
    drain: Callable[[float | None], None],
) -> None:
    """The services that operators use, on a port of their own."""
    health.add_to(server)
    admin = partial(_add_admin, parts=parts, control=control, drain=drain, started_s=time.time())
    _add_later(server, ADMIN, admin)
    _add_later(server, CHANNELZ, _add_channelz)
    _add_reflection(server, (ADMIN, CHANNELZ, HEALTH))


def _add_later(server: aio.Server, name: str, add: AddService) -> None:
    server.add_generic_rpc_handlers((ServedFromFirstCall(name, add),))


def _add_reflection(server: aio.Server, services: tuple[str, ...]) -> None:
    def add(later: Any, name: str) -> None:
        from speech_service.edge.reflection import add_reflection

        add_reflection(later, name, (*services, *REFLECTION))

    for each in REFLECTION:
        _add_later(server, each, partial(add, name=each))


def _add_synthesis(server: Any, parts: EdgeParts) -> None:
    from speech.v1 import synthesis_service_pb2_grpc
    from speech_service.edge.v1.synthesis.servicer import SynthesisServicer

    synthesis_service_pb2_grpc.add_SynthesisServiceServicer_to_server(
        SynthesisServicer(parts), server
    )


def _add_alignment(server: Any, parts: EdgeParts) -> None:
    from speech.v1 import alignment_service_pb2_grpc
    from speech_service.edge.v1.alignment.servicer import AlignmentServicer

    alignment_service_pb2_grpc.add_AlignmentServiceServicer_to_server(
        AlignmentServicer(parts), server
    )


def _add_translation(server: Any, parts: EdgeParts) -> None:
    from speech.v1 import translation_service_pb2_grpc
    from speech_service.edge.v1.translation.servicer import TranslationServicer

    translation_service_pb2_grpc.add_TranslationServiceServicer_to_server(
        TranslationServicer(parts), server
    )


def _add_voices(server: Any, parts: EdgeParts) -> None:
    from speech.v1 import voice_service_pb2_grpc
    from speech_service.edge.v1.voices import VoiceServicer

    voice_service_pb2_grpc.add_VoiceServiceServicer_to_server(VoiceServicer(parts), server)


def _add_admin(
    server: Any,
    parts: EdgeParts,
    control: ModelControl,
    drain: Callable[[float | None], None],
    started_s: float,
) -> None:
    from speech.admin.v1 import model_admin_service_pb2_grpc
    from speech_service.edge.admin_v1.models import ModelAdminServicer

    model_admin_service_pb2_grpc.add_ModelAdminServiceServicer_to_server(
        ModelAdminServicer(parts, control, drain, started_s), server
    )


def _add_channelz(server: Any) -> None:
    from grpc_channelz.v1 import channelz_pb2_grpc
    from grpc_channelz.v1._async import ChannelzServicer

    add: Any = channelz_pb2_grpc.add_ChannelzServicer_to_server  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped package
    add(ChannelzServicer(), server)
