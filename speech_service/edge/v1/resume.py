"""Resume in the first message of a stream, and what a client is given to resume with."""

from collections.abc import Collection

from speech.v1 import alignment_service_pb2, common_pb2, recognition_service_pb2
from speech.v1 import translation_service_pb2 as translation_pb2
from speech_service.calls.requests.resume import Part, WantedResume, resume_point
from speech_service.calls.resume_tokens import ResumeTokens
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.resume import BEGINNING, ResumePoint, UntranslatedSegment
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert

StreamConfig = (
    recognition_service_pb2.RecognitionConfig
    | alignment_service_pb2.AlignmentConfig
    | translation_pb2.TranslationConfig
)


def asked_resume(
    config: StreamConfig,
    call: Call,
    tokens: ResumeTokens,
    parts: Collection[Part],
    *,
    separate_channels: bool = False,
) -> ResumePoint:
    """Where the session of ``call`` goes on; raises as ``resume_point`` does."""
    if not config.HasField("resume"):
        return BEGINNING
    wanted = _wanted(config.resume)
    return resume_point(wanted, call, tokens, parts, separate_channels=separate_channels)


def session_started(
    call: Call, serving: Serving, model: str, own: common_pb2.Limits, resume: ResumePoint
) -> common_pb2.SessionStarted:
    """The first event of a stream that can be resumed. ``own``: limits beside those of every such stream."""
    stream = serving.stream
    limits = common_pb2.Limits(
        max_buffered_audio_ms=convert.uint32(stream.max_buffered_audio_ms),
        idle_timeout_ms=convert.uint32(stream.idle_timeout_s * 1000),
        progress_interval_ms=convert.uint32(stream.progress_interval_s * 1000),
    )
    limits.MergeFrom(own)
    return common_pb2.SessionStarted(
        session_id=call.session_id,
        model=model,
        limits=limits,
        resume_token=_token(call, serving.tokens),
        resend_from_ms=None if resume is BEGINNING else resume.audio_from_ms,
    )


def going_away(event: events.GoingAway, call: Call, tokens: ResumeTokens) -> common_pb2.GoingAway:
    """Domain to wire."""
    drain_ms = convert.uint32(event.drain_ms)
    return common_pb2.GoingAway(drain_ms=drain_ms, resume_token=_token(call, tokens))


def _token(call: Call, tokens: ResumeTokens) -> str:
    """Empty for a stream of text, which has no place in any audio to go on from."""
    return "" if call.pacing is None else tokens.of(call)


def _wanted(message: common_pb2.Resume) -> WantedResume:
    begins = message.audio_from_ms if message.HasField("audio_from_ms") else None
    return WantedResume(
        token=message.token,
        from_ms=message.from_ms,
        audio_from_ms=begins,
        channels_from_ms=tuple(message.channel_from_ms),
        last_segment_id=message.last_segment_id,
        from_char=message.from_char,
        untranslated=tuple(
            UntranslatedSegment(each.segment_id, each.text, each.language)
            for each in message.untranslated
        ),
        source_language=message.source_language,
    )
