"""StreamingTranslate after its first message: what the others mean, and what is answered."""

import asyncio
from functools import partial
from typing import assert_never

from speech.v1 import common_pb2, recognition_service_pb2, translation_service_pb2
from speech_service.calls.audio_source import stream_limits
from speech_service.calls.driver import SessionRunner
from speech_service.calls.outbox import Outbox
from speech_service.calls.requests.translation import MAX_CONTEXT_CHARACTERS, TranslationRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.translation import OpenedTranslation
from speech_service.config.tree import TranslationConfig
from speech_service.dispatch.policy import stream_classes
from speech_service.domain import events
from speech_service.domain.audio import MAX_CHANNELS
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.recognition import Pacing
from speech_service.domain.transcript import TranscriptResult
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.control import control_actions
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.config import RecognitionRequest
from speech_service.edge.v1.translation import config as convert_translation
from speech_service.edge.v1.translation.config import STREAM_FIELDS, SpeechTranslationTools
from speech_service.sessions.recognition.session import SessionLimits
from speech_service.sessions.translation.events import (
    EncodedTranslationEvent,
    TranslationAction,
    TranslationEvent,
)
from speech_service.sessions.translation.session import TranslationSession

_TEXT_STEP = 4096


class TranslateStream:
    """StreamingTranslate; ``config`` is what its first message held, ``request`` what became of it.

    ``recognition``: how its audio is recognized; None: it takes text.
    """

    def __init__(
        self,
        serving: Serving,
        limits: TranslationConfig,
        tools: SessionTools,
        speech: SpeechTranslationTools,
        identifier: str,
        call: Call,
        config: translation_service_pb2.TranslationConfig,
        request: TranslationRequest,
        recognition: RecognitionRequest | None,
        outbox: Outbox[EncodedTranslationEvent],
    ) -> None:
        self._serving = serving
        self._limits = limits
        self._call = call
        self._config = config
        self._request = request
        self._recognition = recognition
        self._next_sequence = 0
        pacing = recognition.options.pacing if recognition else Pacing.REALTIME
        self._opened = OpenedTranslation(
            tools,
            speech.audio,
            speech.encoders,
            call,
            request,
            recognition,
            stream_classes(pacing),
            stream_limits(speech.audio.config),
            SessionLimits(max_lag_s=serving.stream.max_lag_s),
            identifier,
            outbox.put,
        )
        session = self.runner.session
        self.runner.perform_now(session.start())
        for warning in (*request.warnings, *(recognition.warnings if recognition else ())):
            self.runner.perform_now(session.warn(warning))

    @property
    def runner(self) -> SessionRunner[TranslationSession, TranslationEvent]:
        """Drives the session."""
        return self._opened.runner

    async def message(self, request: translation_service_pb2.StreamingTranslateRequest) -> bool:
        """One client message; False after ``end_of_input``."""
        runner = self._opened.runner
        kind = request.WhichOneof("payload")
        if kind == "audio":  # the hot path: it takes the turn block by block
            await self._audio(request.audio.data, self._sequence(request))
            return True
        if kind not in ("keep_alive", "end_of_input") and self._opened.source is not None:
            await self._opened.source.settle()
        async with runner.turn:
            if kind != "keep_alive":
                await runner.catch_up()
            return await self._other(kind, request, runner)

    async def _other(
        self,
        kind: str | None,
        request: translation_service_pb2.StreamingTranslateRequest,
        runner: SessionRunner[TranslationSession, TranslationEvent],
    ) -> bool:
        session = runner.session
        match kind:
            case "text":
                text = self._text(request.text.text)
                for at in range(0, len(text), _TEXT_STEP):
                    await runner.perform(session.text(text[at : at + _TEXT_STEP]))
                    await asyncio.sleep(0)  # others have their turn
            case "finalize":
                kind_, given = events.ControlKind.FINALIZE, request.finalize.control_id
                await runner.perform(control_actions(session, kind_, given, session.finalize))
            case "reset":
                kind_, given = events.ControlKind.RESET, request.reset.control_id
                reset = partial(self._reset, keep_context=request.reset.keep_context)
                await runner.perform(control_actions(session, kind_, given, reset))
            case "keep_alive":
                pass
            case "end_of_input":
                return False
            case "config":
                raise InvalidFieldError(
                    "config", "came twice", "a new stream", reason="CONFIG_REPEATED"
                )
            case _:
                raise InvalidFieldError("payload", "is not set", "one of the payload's messages")
        return True

    def _reset(self, control_id: str, keep_context: bool) -> list[TranslationAction]:
        if self._recognition is not None and not keep_context:
            self._recognition.forget_context()
        return self._opened.runner.session.reset(control_id, keep_context)

    async def half_close(self) -> None:
        """Flush the decoder, then the session."""
        if self._opened.source is not None:
            await self._opened.source.end()
        runner = self._opened.runner
        await runner.catch_up()
        await runner.perform(runner.session.end_of_input())

    def response(  # noqa: C901 - a case for each event
        self, event: EncodedTranslationEvent
    ) -> translation_service_pb2.StreamingTranslateResponse:
        """Domain to wire."""
        response = translation_service_pb2.StreamingTranslateResponse
        match event:
            case events.TranslatedSegment():
                return response(translation=convert_translation.translation(event))
            case events.SpeechChunk():
                return response(audio=convert_translation.audio(event))
            case TranscriptResult():
                return response(source_result=convert_result.result(event))
            case events.SessionStarted(session_id):
                return response(
                    session_started=self._started(session_id), effective_config=self._effective()
                )
            case events.SessionEnded():
                self._call.finished(event.usage, event.latency)
                return response(session_ended=convert.session_ended(event))
            case events.SpeechEvent():
                return response(speech_event=convert.speech_event(event))
            case events.Progress():
                return response(progress=convert.progress(event))
            case events.ControlAck():
                return response(control_ack=convert.control_ack(event, STREAM_FIELDS))
            case events.StreamWarning():
                return response(warning=convert.warning(event, STREAM_FIELDS))
            case events.GoingAway(drain_ms):
                return response(going_away=common_pb2.GoingAway(drain_ms=convert.uint32(drain_ms)))
            case _:
                assert_never(event)

    def sent(self, event: EncodedTranslationEvent) -> None:
        """Nothing waits for it."""

    async def close(self) -> None:
        """Free the decoder; note what a stream that failed had used."""
        call, ended = self._call, self._opened.runner.session.ended()
        if call.usage is None:
            call.finished(ended.usage, ended.latency)
        await self._opened.close()

    def _text(self, text: str) -> str:
        if len(text) > self._limits.max_text_characters:
            limit = self._limits.max_text_characters
            raise limit_exceeded("text.text", "max_text_characters", limit)
        if "\0" in text:
            raise InvalidFieldError("text.text", "holds NUL", "text", reason="INVALID_TEXT")
        return text

    async def _audio(self, data: bytes, in_order: bool) -> None:
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
        if self._opened.source is None:
            problem = "is missing, and the stream carries audio"
            raise InvalidFieldError("config.recognition", problem, "a RecognitionConfig")
        await self._opened.source.feed(data)

    def _sequence(self, request: translation_service_pb2.StreamingTranslateRequest) -> bool:
        expected, self._next_sequence = self._next_sequence, self._next_sequence + 1
        return not request.audio.HasField("sequence") or request.audio.sequence == expected

    def _effective(self) -> translation_service_pb2.TranslationConfig:
        message = convert_translation.effective_config(self._config, self._request)
        if self._recognition is not None:
            options = self._recognition.options
            effective: recognition_service_pb2.RecognitionConfig
            effective = convert_result.effective_config(options)
            message.recognition.CopyFrom(effective)
        return message

    def _started(self, session_id: str) -> common_pb2.SessionStarted:
        server, stream = self._serving.server, self._serving.stream
        limits = common_pb2.Limits(
            max_text_characters=self._limits.max_text_characters,
            max_context_characters=MAX_CONTEXT_CHARACTERS,
            max_buffered_audio_ms=convert.uint32(stream.max_buffered_audio_ms),
            idle_timeout_ms=convert.uint32(stream.idle_timeout_s * 1000),
            progress_interval_ms=convert.uint32(stream.progress_interval_s * 1000),
        )
        if self._recognition is not None:
            limits.max_audio_message_bytes = server.max_audio_message_bytes
            limits.max_channels = MAX_CHANNELS
            if self._recognition.model.max_context_tokens:
                limits.max_context_tokens = self._recognition.model.max_context_tokens
            limits.max_segment_ms = self._recognition.options.endpointing.max_segment_ms
        return common_pb2.SessionStarted(
            session_id=session_id, model=self._request.model, limits=limits
        )
