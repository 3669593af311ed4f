"""StreamingTranslate after its first message: what is its own, and what is answered."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import assert_never

from speech.v1 import common_pb2, translation_service_pb2
from speech_service.calls.requests.recognition import RecognitionRequest
from speech_service.calls.requests.translation import MAX_CONTEXT_CHARACTERS, TranslationRequest
from speech_service.calls.translation import FedTranslation
from speech_service.config.tree import TranslationConfig
from speech_service.domain import events
from speech_service.domain.audio import MAX_CHANNELS
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError, too_many_characters
from speech_service.domain.resume import ResumePoint
from speech_service.domain.transcript import TranscriptResult
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.control import control_actions
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.resume import going_away, session_started
from speech_service.edge.v1.translation import config as convert_translation
from speech_service.edge.v1.translation.config import STREAM_FIELDS
from speech_service.sessions.translation.events import (
    EncodedTranslationEvent,
    TranslationAction,
)

_TEXT_STEP = 4096


class TranslationWire:
    """StreamingTranslate; ``config`` is what its first message held, ``request`` and ``resume`` what became of it.

    ``recognition``: how its audio is recognized; None: it takes text.
    """

    instead_of_config = "a new stream"
    beside_audio: Sequence[str] = ()

    def __init__(
        self,
        serving: Serving,
        limits: TranslationConfig,
        call: Call,
        config: translation_service_pb2.TranslationConfig,
        request: TranslationRequest,
        recognition: RecognitionRequest | None,
        resume: ResumePoint,
        fed: FedTranslation,
    ) -> None:
        self._serving = serving
        self._limits = limits
        self._call = call
        self._config = config
        self._request = request
        self._recognition = recognition
        self._resume = resume
        self._runner = fed.runner

    async def message(
        self, kind: str, request: translation_service_pb2.StreamingTranslateRequest
    ) -> bool:
        runner, session = self._runner, self._runner.session
        match kind:
            case "text":
                text = self._text(request.text.text)
                for at in range(0, len(text), _TEXT_STEP):
                    await runner.perform(session.text(text[at : at + _TEXT_STEP]))
                    await asyncio.sleep(0)  # others have their turn
            case "reset":
                reset = partial(self._reset, keep_context=request.reset.keep_context)
                given = request.reset.control_id
                reset_kind = events.ControlKind.RESET
                await runner.perform(control_actions(session, reset_kind, given, reset))
            case _:
                return False
        return True

    def responses(  # noqa: C901 - a case for each event
        self, event: EncodedTranslationEvent
    ) -> Sequence[translation_service_pb2.StreamingTranslateResponse]:
        """Domain to wire."""
        response = translation_service_pb2.StreamingTranslateResponse
        match event:
            case events.TranslatedSegment():
                return (response(translation=convert_translation.translation(event)),)
            case events.SpeechChunk():
                return (response(audio=convert_translation.audio(event)),)
            case TranscriptResult():
                return (response(source_result=convert_result.result(event)),)
            case events.SessionStarted():
                started, effective = self._started(), self._effective()
                return (response(session_started=started, effective_config=effective),)
            case events.SessionEnded():
                self._call.finished(event.usage, event.latency)
                return (response(session_ended=convert.session_ended(event)),)
            case events.SpeechEvent():
                return (response(speech_event=convert.speech_event(event)),)
            case events.Progress():
                return (response(progress=convert.progress(event)),)
            case events.ControlAck():
                return (response(control_ack=convert.control_ack(event, STREAM_FIELDS)),)
            case events.StreamWarning():
                return (response(warning=convert.warning(event, STREAM_FIELDS)),)
            case events.GoingAway():
                return (response(going_away=going_away(event, self._call, self._serving.tokens)),)
            case _:
                assert_never(event)

    def _reset(self, control_id: str, keep_context: bool) -> Sequence[TranslationAction]:
        if self._recognition is not None and not keep_context:
            self._recognition = self._recognition.without_context()
        return self._runner.session.reset(control_id, keep_context)

    def _text(self, text: str) -> str:
        if len(text) > self._limits.max_text_characters:
            limit = self._limits.max_text_characters
            problem = too_many_characters(len(text), "translation.max_text_characters")
            raise limit_exceeded("text.text", "max_text_characters", limit, problem)
        if "\0" in text:
            raise InvalidFieldError("text.text", "holds NUL", "text", reason="INVALID_TEXT")
        return text

    def _effective(self) -> translation_service_pb2.TranslationConfig:
        message = convert_translation.effective_config(self._config, self._request)
        if self._recognition is not None:
            message.recognition.CopyFrom(convert_result.effective_config(self._recognition))
        return message

    def _started(self) -> common_pb2.SessionStarted:
        limits = common_pb2.Limits(
            max_text_characters=self._limits.max_text_characters,
            max_context_characters=MAX_CONTEXT_CHARACTERS,
        )
        if self._recognition is not None:
            limits.max_audio_message_bytes = self._serving.server.max_audio_message_bytes
            limits.max_channels = MAX_CHANNELS
            if self._recognition.model.max_context_tokens:
                limits.max_context_tokens = self._recognition.model.max_context_tokens
            limits.max_segment_ms = self._recognition.options.endpointing.max_segment_ms
        return session_started(self._call, self._serving, self._request.model, limits, self._resume)
