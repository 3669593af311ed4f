"""StreamingAlign: what its messages mean, as the pump sees it."""

from typing import assert_never

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import common_pb2
from speech_service.calls.alignment import OpenedAlignment
from speech_service.calls.audio_source import AudioInput, stream_limits
from speech_service.calls.driver import SessionRunner
from speech_service.calls.outbox import Outbox
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import stream_classes
from speech_service.domain import events
from speech_service.domain.alignment import UnalignedSpan
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.alignment import config as convert_alignment
from speech_service.edge.v1.alignment.config import STREAM_FIELDS, AlignmentConverter
from speech_service.edge.v1.control import control_actions
from speech_service.sessions.alignment.events import AlignmentEvent
from speech_service.sessions.alignment.session import AlignmentSession


class AlignStream:
    """StreamingAlign as the pump sees it."""

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
        self._opened: OpenedAlignment | None = None
        self._next_sequence = 0

    async def open(
        self, first: pb.StreamingAlignRequest, outbox: Outbox[AlignmentEvent]
    ) -> "AlignStream":
        """Check the configuration and start the session."""
        self._request = self._converter.request(first.config, streaming=True)
        opened = self._opened = OpenedAlignment(
            self._tools,
            self._audio,
            self._call,
            self._request,
            stream_classes(self._request.options.pacing),
            stream_limits(self._audio.config),
            outbox.put,
        )
        session = opened.runner.session
        opened.runner.perform_now(session.start())
        for warning in self._request.warnings:
            opened.runner.perform_now(session.warn(warning))
        return self

    @property
    def runner(self) -> SessionRunner[AlignmentSession, AlignmentEvent]:
        """Drives the session."""
        assert self._opened is not None, "the pump opens first"
        return self._opened.runner

    async def message(self, request: pb.StreamingAlignRequest) -> bool:
        """One client message; False after ``end_of_input``."""
        assert self._opened is not None, "the pump opens first"
        runner, session = self._opened.runner, self._opened.runner.session
        match request.WhichOneof("payload"):
            case "audio":
                self._check_audio(request)
                await self._opened.source.feed(request.audio.data)
            case "text":
                async with runner.turn:
                    text = request.text
                    await runner.perform(session.text(text.text, text.end_of_text))
            case "finalize":
                kind, given = events.ControlKind.FINALIZE, request.finalize.control_id
                await self._opened.source.settle()
                async with runner.turn:
                    await runner.perform(control_actions(session, kind, given, session.finalize))
            case "keep_alive":
                pass
            case "end_of_input":
                return False
            case "config":
                problem, allowed = "came twice", "text, audio or a control message"
                raise InvalidFieldError("config", problem, allowed, reason="CONFIG_REPEATED")
            case _:
                raise InvalidFieldError("payload", "is not set", "one of the payload's messages")
        return True

    async def half_close(self) -> None:
        """Flush the decoder, then the session."""
        assert self._opened is not None, "the pump opens first"
        await self._opened.source.end()
        runner = self._opened.runner
        async with runner.turn:
            await runner.perform(runner.session.end_of_input())

    def response(self, event: AlignmentEvent) -> pb.StreamingAlignResponse:
        """Domain to wire."""
        response = pb.StreamingAlignResponse
        match event:
            case events.AlignedUnits(units):
                placed = pb.AlignedUnits(units=map(convert_alignment.unit, units))
                return response(aligned_units=placed)
            case UnalignedSpan():
                return response(unaligned_span=convert_alignment.span(event))
            case events.Progress():
                return response(progress=convert.progress(event))
            case events.ControlAck():
                return response(control_ack=convert.control_ack(event, STREAM_FIELDS))
            case events.StreamWarning():
                return response(warning=convert.warning(event, STREAM_FIELDS))
            case events.GoingAway(drain_ms):
                return response(going_away=common_pb2.GoingAway(drain_ms=convert.uint32(drain_ms)))
            case events.SessionStarted(session_id):
                effective = convert_alignment.effective_config(self._request.options)
                return response(
                    session_started=self._started(session_id), effective_config=effective
                )
            case events.SessionEnded():
                self._call.finished(event.usage, event.latency)
                return response(session_ended=convert.session_ended(event))
            case _:
                assert_never(event)

    def sent(self, event: AlignmentEvent) -> None:
        """Nothing waits for it: audio comes at the client's pace."""

    async def close(self) -> None:
        """Free the decoder; note what a stream that failed had used."""
        if self._opened is None:
            return
        call, ended = self._call, self._opened.runner.session.ended()
        if call.usage is None:
            call.finished(ended.usage, ended.latency)
        await self._opened.source.close()

    def _check_audio(self, request: pb.StreamingAlignRequest) -> None:
        expected, self._next_sequence = self._next_sequence, self._next_sequence + 1
        if request.audio.HasField("sequence") and request.audio.sequence != expected:
            problem, allowed = "has a gap or a repeat", f"{expected} next"
            raise InvalidFieldError("audio.sequence", problem, allowed, reason="SEQUENCE_GAP")
        limit = self._serving.server.max_audio_message_bytes
        if len(request.audio.data) > limit:
            raise limit_exceeded("audio.data", "max_audio_message_bytes", limit)

    def _started(self, session_id: str) -> common_pb2.SessionStarted:
        server, stream = self._serving.server, self._serving.stream
        return common_pb2.SessionStarted(
            session_id=session_id,
            model=self._request.model.name,
            limits=common_pb2.Limits(
                max_audio_message_bytes=convert.uint32(server.max_audio_message_bytes),
                max_buffered_audio_ms=convert.uint32(stream.max_buffered_audio_ms),
                max_text_characters=convert_alignment.MAX_TEXT_CHARACTERS,
                max_channels=1,
                idle_timeout_ms=convert.uint32(stream.idle_timeout_s * 1000),
                progress_interval_ms=convert.uint32(stream.progress_interval_s * 1000),
            ),
        )
