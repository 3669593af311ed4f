"""Align: a session that sees the whole text first, and whose events are collected into one reply."""

import asyncio
from typing import assert_never

from speech.v1 import alignment_service_pb2 as pb
from speech_service.calls.alignment import OpenedAlignment
from speech_service.calls.audio_source import AudioInput, unary_limits
from speech_service.calls.session_tools import SessionTools
from speech_service.domain import events
from speech_service.domain.alignment import AlignedUnit, UnalignedSpan
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    CancelledWorkError,
    InvalidFieldError,
    ReplyTooLargeError,
)
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.alignment import config as convert_alignment
from speech_service.edge.v1.alignment.config import (
    UNARY_FIELDS,
    AlignmentConverter,
    AlignmentRequest,
)
from speech_service.sessions.alignment.events import AlignmentEvent
from speech_service.sessions.alignment.session import WHOLE


class UnaryAlignment:
    """One Align call."""

    def __init__(
        self,
        serving: Serving,
        converter: AlignmentConverter,
        tools: SessionTools,
        audio: AudioInput,
        call: Call,
    ) -> None:
        self._serving = serving
        self._converter = converter
        self._tools = tools
        self._audio = audio
        self._call = call
        self._units: list[AlignedUnit] = []
        self._spans: list[UnalignedSpan] = []
        self._warnings: list[events.StreamWarning] = []
        self._ended: events.SessionEnded | None = None
        self._subtitles: convert_subtitles.SubtitleWish | None = None

    async def run(self, message: pb.AlignRequest) -> pb.AlignResponse:
        """Align ``message.audio`` with ``message.text``."""
        if not message.HasField("config"):
            raise InvalidFieldError("config", "is missing", "an AlignmentConfig")
        if message.config.HasField("subtitles"):
            self._subtitles = convert_subtitles.wish(message.config.subtitles)
        request = self._converter.request(message.config, streaming=False, text=message.text)
        text = convert_alignment.checked_text(message.text)
        if not message.audio:
            raise InvalidFieldError("audio", "is empty", "at least one frame", reason="EMPTY_AUDIO")
        opened = OpenedAlignment(
            self._tools,
            self._audio,
            self._call,
            request,
            (WorkClass.UNARY, WorkClass.UNARY),
            unary_limits(self._audio.config),
            self._collect,
            WHOLE,
        )
        self._call.when_over(lambda: opened.runner.close(CancelledWorkError("the call is over")))
        feeding = asyncio.create_task(self._feed(opened, message.audio, text))
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
        return self._response(request, text)

    async def _feed(self, opened: OpenedAlignment, audio: bytes, text: str) -> None:
        """Feed in pieces: the event loop stays free."""
        piece = self._serving.server.max_audio_message_bytes // 4
        piece -= piece % 256  # whole frames of every raw format
        runner = opened.runner
        await runner.perform(runner.session.text(text, True))
        for at in range(0, len(audio), piece):
            await opened.source.feed(audio[at : at + piece])
        await opened.source.end()
        await runner.perform(runner.session.end_of_input())

    def _collect(self, event: AlignmentEvent) -> None:
        match event:
            case events.AlignedUnits(units):
                self._units += units
            case UnalignedSpan():
                self._spans.append(event)
            case events.StreamWarning():
                self._warnings.append(event)
            case events.SessionEnded():
                self._ended = event
            case (
                events.SessionStarted()
                | events.Progress()
                | events.ControlAck()
                | events.GoingAway()
            ):
                return
            case _:
                assert_never(event)

    def _response(self, request: AlignmentRequest, text: str) -> pb.AlignResponse:
        assert self._ended is not None, "a session that ends well says so"
        self._call.finished(self._ended.usage, self._ended.latency)
        response = pb.AlignResponse(
            units=map(convert_alignment.unit, self._units),
            unaligned_spans=map(convert_alignment.span, self._spans),
            duration_ms=self._ended.usage.audio_in_ms,
            usage=convert.usage(self._ended.usage),
            latency=convert.latency(self._ended.latency),
            model=request.model.name,
            warnings=[
                convert.warning(w, UNARY_FIELDS) for w in (*request.warnings, *self._warnings)
            ],
        )
        if self._subtitles is not None:
            file = convert_subtitles.of_alignment(
                text, self._units, self._spans, self._subtitles, response.duration_ms
            )
            response.subtitles.CopyFrom(file)
        limit = self._serving.server.max_unary_reply_bytes
        if response.ByteSize() > limit:
            raise ReplyTooLargeError(
                f"the reply would exceed {limit} bytes; use StreamingAlign",
                metadata={"max_unary_reply_bytes": str(limit), "use": "StreamingAlign"},
            )
        return response
