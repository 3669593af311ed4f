"""Recognize: a FILE-paced session whose events are collected into one reply."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from speech.v1 import recognition_service_pb2
from speech_service.calls.audio.fed_session import feed_whole
from speech_service.calls.audio.source import AudioInput, unary_limits
from speech_service.calls.recognition import open_recognition
from speech_service.calls.requests.context import fitting
from speech_service.calls.requests.recognition import RecognitionRequest, RecognitionRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.config import UNARY_FIELDS, wanted
from speech_service.edge.v1.subtitles import SubtitleWish
from speech_service.sessions.recognition.events import RecognitionEvent
from speech_service.sessions.recognition.session import SessionLimits


async def recognize(
    serving: Serving,
    requests: RecognitionRequests,
    tools: SessionTools,
    audio: AudioInput,
    call: Call,
    message: recognition_service_pb2.RecognizeRequest,
) -> recognition_service_pb2.RecognizeResponse:
    """Recognize ``message.audio``."""
    config = message.config
    if not message.HasField("config"):
        raise InvalidFieldError("config", "is missing", "a RecognitionConfig")
    asked = convert_subtitles.wish(config.subtitles) if config.HasField("subtitles") else None
    request = requests.check(wanted(config, streaming=False), streaming=False)
    convert.check_audio(message.audio)
    request = await fitting(tools.submitter, request)
    server, stream = serving.server, serving.stream
    opener = partial(
        open_recognition,
        tools,
        audio,
        call,
        request,
        (WorkClass.UNARY, WorkClass.UNARY),
        unary_limits(audio.config),
        SessionLimits(max_lag_s=stream.max_lag_s),
    )
    piece_bytes, waiting_ms = server.max_audio_message_bytes // 4, stream.max_buffered_audio_ms
    told, ended = await feed_whole(call, opener, message.audio, piece_bytes, waiting_ms)
    response = _response(request, told, ended, asked)
    convert.check_reply(response, server.max_unary_reply_bytes, "StreamingRecognize")
    return response


def transcript_of(told: Iterable[object]) -> list[TranscriptResult]:
    """The FINALs among events, in order of time, with the words that came later."""
    results: dict[int, TranscriptResult] = {}
    for event in told:
        match event:
            case TranscriptResult(kind=ResultKind.FINAL):
                results[event.segment_id] = event
            case TranscriptResult(kind=ResultKind.REFINED, segment_id=segment_id, words=words):
                results[segment_id] = replace(results[segment_id], words=words)
            case _:
                continue
    return sorted(results.values(), key=lambda r: (r.start_ms, r.channel))


def _response(
    request: RecognitionRequest,
    told: Sequence[RecognitionEvent],
    ended: events.SessionEnded,
    asked: SubtitleWish | None,
) -> recognition_service_pb2.RecognizeResponse:
    ordered = transcript_of(told)
    warnings = [w for w in told if isinstance(w, events.StreamWarning)]
    response = recognition_service_pb2.RecognizeResponse(
        results=[convert_result.shown(r, with_words=request.wanted.word_times) for r in ordered],
        usage=convert.usage(ended.usage),
        latency=convert.latency(ended.latency),
        model=request.model.name,
        warnings=[convert.warning(w, UNARY_FIELDS) for w in warnings],
    )
    if asked is not None:
        length_ms = max((r.end_ms for r in ordered), default=0)
        if not request.options.aligner:
            asked = replace(asked, accurate=False)  # a lenient client was warned
        file = convert_subtitles.of_transcript(ordered, asked, length_ms)
        response.subtitles.CopyFrom(file)
    for code in dict.fromkeys(r.language for r in ordered if r.language):
        response.languages.add(code=code)
    return response
