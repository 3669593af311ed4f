"""Align: a session that sees the whole text first, and whose events are collected into one reply."""

from collections.abc import Sequence

from speech.v1 import alignment_service_pb2 as pb
from speech_service.calls.alignment import FedAlignment, open_alignment
from speech_service.calls.audio.fed_session import feed_whole
from speech_service.calls.audio.source import AudioInput, unary_limits
from speech_service.calls.driver import OnEvent
from speech_service.calls.requests.alignment import (
    AlignmentRequest,
    AlignmentRequests,
    checked_text,
)
from speech_service.calls.session_tools import SessionTools
from speech_service.domain import events
from speech_service.domain.alignment import UnalignedSpan
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.alignment import config as convert_alignment
from speech_service.edge.v1.alignment.config import UNARY_FIELDS, wanted
from speech_service.edge.v1.subtitles import SubtitleWish
from speech_service.sessions.alignment.events import AlignmentEvent
from speech_service.sessions.alignment.session import WHOLE


async def align(
    serving: Serving,
    requests: AlignmentRequests,
    tools: SessionTools,
    audio: AudioInput,
    call: Call,
    message: pb.AlignRequest,
) -> pb.AlignResponse:
    """Align ``message.audio`` with ``message.text``."""
    config = message.config
    if not message.HasField("config"):
        raise InvalidFieldError("config", "is missing", "an AlignmentConfig")
    asked = convert_subtitles.wish(config.subtitles) if config.HasField("subtitles") else None
    request = requests.check(wanted(config, streaming=False), streaming=False, text=message.text)
    text = checked_text(message.text)
    convert.check_audio(message.audio)

    def opened(on_event: OnEvent[AlignmentEvent]) -> FedAlignment:
        fed = open_alignment(
            tools,
            audio,
            call,
            request,
            (WorkClass.UNARY, WorkClass.UNARY),
            unary_limits(audio.config),
            on_event,
            WHOLE,
        )
        fed.runner.perform_now(fed.runner.session.text(text, True))
        return fed

    server = serving.server
    piece_bytes = server.max_audio_message_bytes // 4
    told, ended = await feed_whole(call, opened, message.audio, piece_bytes)
    response = _response(request, text, told, ended, asked)
    convert.check_reply(response, server.max_unary_reply_bytes, "StreamingAlign")
    return response


def _response(
    request: AlignmentRequest,
    text: str,
    told: Sequence[AlignmentEvent],
    ended: events.SessionEnded,
    asked: SubtitleWish | None,
) -> pb.AlignResponse:
    units = [unit for e in told if isinstance(e, events.AlignedUnits) for unit in e.units]
    spans = [e for e in told if isinstance(e, UnalignedSpan)]
    warnings = [w for w in told if isinstance(w, events.StreamWarning)]
    response = pb.AlignResponse(
        units=map(convert_alignment.unit, units),
        unaligned_spans=map(convert_alignment.span, spans),
        duration_ms=ended.usage.audio_in_ms,
        usage=convert.usage(ended.usage),
        latency=convert.latency(ended.latency),
        model=request.options.model,
        warnings=[convert.warning(w, UNARY_FIELDS) for w in warnings],
    )
    if asked is not None:
        file = convert_subtitles.of_alignment(text, units, spans, asked, response.duration_ms)
        response.subtitles.CopyFrom(file)
    return response
