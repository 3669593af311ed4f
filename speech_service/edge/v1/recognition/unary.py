"""Recognize: a FILE-paced session whose events are collected into one reply."""

import asyncio
from dataclasses import replace
from typing import assert_never

from speech.v1 import recognition_service_pb2
from speech_service.calls.audio_source import AudioInput, unary_limits
from speech_service.calls.context_check import check_context
from speech_service.calls.recognition import OpenedRecognition
from speech_service.calls.session_tools import SessionTools
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    CancelledWorkError,
    InvalidFieldError,
    ReplyTooLargeError,
)
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.config import (
    UNARY_FIELDS,
    RecognitionConverter,
    RecognitionRequest,
)
from speech_service.sessions.recognition.events import RecognitionEvent
from speech_service.sessions.recognition.session import SessionLimits


class UnaryRecognition:
    """One Recognize call."""

    def __init__(
        self,
        serving: Serving,
        converter: RecognitionConverter,
        tools: SessionTools,
        audio: AudioInput,
        call: Call,
    ) -> None:
        self._serving = serving
        self._converter = converter
        self._tools = tools
        self._audio = audio
        self._call = call
        self._results: dict[int, TranscriptResult] = {}
        self._warnings: list[events.StreamWarning] = []
        self._ended: events.SessionEnded | None = None
        self._subtitles: convert_subtitles.SubtitleWish | None = None

    async def run(
        self, message: recognition_service_pb2.RecognizeRequest
    ) -> recognition_service_pb2.RecognizeResponse:
        """Recognize ``message.audio``."""
        if not message.HasField("config"):
            raise InvalidFieldError("config", "is missing", "a RecognitionConfig")
        if message.config.HasField("subtitles"):
            self._subtitles = convert_subtitles.wish(message.config.subtitles)
        request = self._converter.request(message.config, streaming=False)
        if not message.audio:
            raise InvalidFieldError("audio", "is empty", "at least one frame", reason="EMPTY_AUDIO")
        await check_context(self._tools.submitter, request)
        limits = unary_limits(self._audio.config)
        classes = (WorkClass.UNARY, WorkClass.UNARY)
        opened = OpenedRecognition(
            self._tools,
            self._audio,
            self._call,
            request,
            classes,
            limits,
            SessionLimits(max_lag_s=self._serving.stream.max_lag_s),
            self._collect,
        )
        self._call.when_over(lambda: opened.runner.close(CancelledWorkError("the call is over")))
        feeding = asyncio.create_task(self._feed(opened, message.audio))
        try:
            await asyncio.wait(
                [feeding, opened.runner.finished], return_when=asyncio.FIRST_COMPLETED
            )
            if feeding.done():
                feeding.result()
            error = await opened.runner.finished
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
            await opened.source.close()
            opened.runner.close(None)
        if error is not None:
            raise error
        return self._response(request)

    async def _feed(self, opened: OpenedRecognition, audio: bytes) -> None:
        """Feed in pieces: the event loop stays free, and back-pressure bounds memory."""
        piece = self._serving.server.max_audio_message_bytes // 4
        piece -= piece % 256  # whole frames of every raw format
        limit_ms = self._serving.stream.max_buffered_audio_ms
        runner = opened.runner
        for at in range(0, len(audio), piece):
            await opened.source.feed(audio[at : at + piece])
            while runner.session.undecoded_ms > limit_ms and not runner.finished.done():
                runner.changed.clear()
                await runner.changed.wait()
        await opened.source.end()
        await runner.catch_up()
        await runner.perform(runner.session.end_of_audio())

    def _collect(self, event: RecognitionEvent) -> None:
        match event:
            case TranscriptResult(kind=ResultKind.FINAL):
                self._results[event.segment_id] = event
            case TranscriptResult(kind=ResultKind.REFINED, segment_id=segment_id, words=words):
                self._results[segment_id] = replace(self._results[segment_id], words=words)
            case events.StreamWarning():
                self._warnings.append(event)
            case events.SessionEnded():
                self._ended = event
            case (
                TranscriptResult()
                | events.SpeechEvent()
                | events.SessionStarted()
                | events.Progress()
                | events.ControlAck()
                | events.GoingAway()
            ):
                return
            case _:
                assert_never(event)

    def _response(self, request: RecognitionRequest) -> recognition_service_pb2.RecognizeResponse:
        assert self._ended is not None, "a session that ends well says so"
        self._call.finished(self._ended.usage, self._ended.latency)
        ordered = sorted(self._results.values(), key=lambda r: (r.start_ms, r.channel))
        response = recognition_service_pb2.RecognizeResponse(
            results=[_shown(r, request) for r in ordered],
            usage=convert.usage(self._ended.usage),
            latency=convert.latency(self._ended.latency),
            model=request.model.name,
            warnings=[
                convert.warning(w, UNARY_FIELDS) for w in (*request.warnings, *self._warnings)
            ],
        )
        if self._subtitles is not None:
            length_ms = max((r.end_ms for r in ordered), default=0)
            asked = self._subtitles
            if not request.options.aligner:
                asked = replace(asked, accurate=False)  # a lenient client was warned
            file = convert_subtitles.of_transcript(ordered, asked, length_ms)
            response.subtitles.CopyFrom(file)
        for code in dict.fromkeys(r.language for r in ordered if r.language):
            response.languages.add(code=code)
        limit = self._serving.server.max_unary_reply_bytes
        if response.ByteSize() > limit:
            raise ReplyTooLargeError(
                f"the reply would exceed {limit} bytes; use StreamingRecognize",
                metadata={"max_unary_reply_bytes": str(limit), "use": "StreamingRecognize"},
            )
        return response


def _shown(
    result: TranscriptResult, request: RecognitionRequest
) -> recognition_service_pb2.RecognitionResult:
    """The one result of a segment: with its words, where the client wants them and not only its subtitles."""
    wanted = result if request.message.word_times else replace(result, words=())
    return convert_result.result(wanted)
