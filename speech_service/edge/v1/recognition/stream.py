"""StreamingRecognize: what its messages mean, as the pump sees it."""

from dataclasses import replace
from functools import partial
from typing import assert_never

from speech.v1 import common_pb2, recognition_service_pb2
from speech_service.calls.audio_source import AudioInput, stream_limits
from speech_service.calls.context_check import check_context
from speech_service.calls.driver import SessionRunner
from speech_service.calls.outbox import Outbox
from speech_service.calls.recognition import OpenedRecognition
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import stream_classes
from speech_service.domain import events
from speech_service.domain.audio import MAX_CHANNELS
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError, SpeechError
from speech_service.domain.transcript import TranscriptResult
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.control import control_actions, control_fields, refusal
from speech_service.edge.v1.recognition import config as convert_recognition
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.config import (
    STREAM_FIELDS,
    UPDATE_FIELDS,
    RecognitionConverter,
)
from speech_service.sessions.recognition.events import RecognitionAction, RecognitionEvent
from speech_service.sessions.recognition.session import RecognitionSession, SessionLimits


class RecognizeStream:
    """StreamingRecognize as the pump sees it."""

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
        self._input = audio
        self._call = call
        self._opened: OpenedRecognition | None = None
        self._next_sequence = 0
        self._send_config = False

    async def open(
        self,
        first: recognition_service_pb2.StreamingRecognizeRequest,
        outbox: Outbox[RecognitionEvent],
    ) -> "RecognizeStream":
        """Check the configuration and start the session."""
        self._request = self._converter.request(first.config, streaming=True)
        await check_context(self._tools.submitter, self._request)
        opened = self._opened = OpenedRecognition(
            self._tools,
            self._input,
            self._call,
            self._request,
            stream_classes(self._request.options.pacing),
            stream_limits(self._input.config),
            SessionLimits(max_lag_s=self._serving.stream.max_lag_s),
            outbox.put,
        )
        session = opened.runner.session
        opened.runner.perform_now(session.start())
        for warning in self._request.warnings:
            opened.runner.perform_now(session.warn(warning))
        return self

    @property
    def runner(self) -> SessionRunner[RecognitionSession, RecognitionEvent]:
        """Drives the session."""
        assert self._opened is not None, "the pump opens first"
        return self._opened.runner

    async def message(self, request: recognition_service_pb2.StreamingRecognizeRequest) -> bool:
        """One client message; False after ``end_of_audio``."""
        assert self._opened is not None, "the pump opens first"
        runner, session = self._opened.runner, self._opened.runner.session
        kind = request.WhichOneof("payload")
        if kind == "audio":  # the hot path: it takes the turn block by block
            await self._feed(request.audio.data, self._sequence(request))
            return True
        if kind not in ("keep_alive", "end_of_audio"):
            await self._opened.source.settle()
        async with runner.turn:
            if kind != "keep_alive":
                await runner.catch_up()
            return await self._other(kind, request, runner, session)

    async def _other(
        self,
        kind: str | None,
        request: recognition_service_pb2.StreamingRecognizeRequest,
        runner: SessionRunner[RecognitionSession, RecognitionEvent],
        session: RecognitionSession,
    ) -> bool:
        match kind:
            case "silence":
                duration_ms = request.silence.duration.ToMilliseconds()
                await runner.perform(session.silence(duration_ms))
            case "finalize":
                kind_, given = events.ControlKind.FINALIZE, request.finalize.control_id
                await runner.perform(control_actions(session, kind_, given, session.finalize))
            case "reset":
                kind_, given = events.ControlKind.RESET, request.reset.control_id
                reset = partial(self._reset, keep_context=request.reset.keep_context)
                await runner.perform(control_actions(session, kind_, given, reset))
            case "update_config":
                await self._update(request.update_config)
            case "keep_alive":
                pass
            case "end_of_audio":
                return False
            case "config":
                raise InvalidFieldError(
                    "config", "came twice", "update_config", reason="CONFIG_REPEATED"
                )
            case _:
                raise InvalidFieldError("payload", "is not set", "one of the payload's messages")
        return True

    async def half_close(self) -> None:
        """Flush the decoder, then the session."""
        assert self._opened is not None, "the pump opens first"
        await self._opened.source.end()
        runner = self._opened.runner
        await runner.catch_up()
        await runner.perform(runner.session.end_of_audio())

    def response(
        self, event: RecognitionEvent
    ) -> recognition_service_pb2.StreamingRecognizeResponse:
        """Domain to wire."""
        response = recognition_service_pb2.StreamingRecognizeResponse
        match event:
            case TranscriptResult():
                return response(result=convert_result.result(event))
            case events.SpeechEvent():
                return response(speech_event=convert.speech_event(event))
            case events.Progress():
                return response(progress=convert.progress(event))
            case events.ControlAck():
                message = response(control_ack=convert.control_ack(event, STREAM_FIELDS))
                if event.kind is events.ControlKind.UPDATE_CONFIG:
                    message.effective_config.CopyFrom(self._effective())
                return message
            case events.StreamWarning():
                return response(warning=convert.warning(event, STREAM_FIELDS))
            case events.GoingAway(drain_ms):
                return response(going_away=common_pb2.GoingAway(drain_ms=convert.uint32(drain_ms)))
            case events.SessionStarted(session_id):
                return response(
                    session_started=self._started(session_id), effective_config=self._effective()
                )
            case events.SessionEnded():
                self._call.finished(event.usage, event.latency)
                return response(session_ended=convert.session_ended(event))
            case _:
                assert_never(event)

    def sent(self, event: RecognitionEvent) -> None:
        """Nothing waits for it: audio comes at the client's pace."""

    async def close(self) -> None:
        """Free the decoder; note what a stream that failed had used."""
        if self._opened is None:
            return
        call, ended = self._call, self._opened.runner.session.ended()
        if call.usage is None:
            call.finished(ended.usage, ended.latency)
        await self._opened.source.close()

    async def _feed(self, data: bytes, in_order: bool) -> None:
        limit = self._serving.server.max_audio_message_bytes
        if not in_order:
            raise InvalidFieldError(
                "audio.sequence",
                "has a gap or a repeat",
                f"{self._next_sequence - 1} next",
                reason="SEQUENCE_GAP",
            )
        if len(data) > limit:
            raise limit_exceeded("audio.data", "max_audio_message_bytes", limit)
        assert self._opened is not None
        await self._opened.source.feed(data)

    def _sequence(self, request: recognition_service_pb2.StreamingRecognizeRequest) -> bool:
        expected, self._next_sequence = self._next_sequence, self._next_sequence + 1
        return not request.audio.HasField("sequence") or request.audio.sequence == expected

    def _reset(self, control_id: str, keep_context: bool) -> list[RecognitionAction]:
        assert self._opened is not None
        if not keep_context:
            self._request.forget_context()
        return self._opened.runner.session.reset(control_id, keep_context)

    async def _update(self, message: recognition_service_pb2.UpdateRecognitionConfig) -> None:
        assert self._opened is not None
        runner, kind = self._opened.runner, events.ControlKind.UPDATE_CONFIG
        try:
            control = convert.control_id(message.control_id, "update_config.control_id")
            updated = replace(self._request)
            self._converter.update(updated, message)
            with UPDATE_FIELDS.named():
                await check_context(self._tools.submitter, updated)
        except SpeechError as error:
            await runner.perform(refusal(runner.session, kind, message.control_id, error))
            return
        self._request = updated
        for warning in updated.warnings:
            runner.perform_now(runner.session.warn(warning))
        with control_fields(kind).named():
            actions = runner.session.update(updated.options, control)
        await runner.perform(actions)

    def _effective(self) -> recognition_service_pb2.RecognitionConfig:
        return convert_result.effective_config(self._request.options)

    def _started(self, session_id: str) -> common_pb2.SessionStarted:
        server, stream = self._serving.server, self._serving.stream
        return common_pb2.SessionStarted(
            session_id=session_id,
            model=self._request.model.name,
            limits=common_pb2.Limits(
                max_audio_message_bytes=convert.uint32(server.max_audio_message_bytes),
                max_buffered_audio_ms=convert.uint32(stream.max_buffered_audio_ms),
                max_context_characters=convert_recognition.MAX_CONTEXT_CHARACTERS,
                max_context_tokens=self._request.model.max_context_tokens or None,
                max_channels=MAX_CHANNELS,
                max_segment_ms=convert.uint32(self._request.options.endpointing.max_segment_ms),
                idle_timeout_ms=convert.uint32(stream.idle_timeout_s * 1000),
                progress_interval_ms=convert.uint32(stream.progress_interval_s * 1000),
            ),
        )
