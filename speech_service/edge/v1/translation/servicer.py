"""TranslationService: texts and subtitle files by themselves, speech and streams through one session type."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from grpc import aio

from speech.v1 import translation_service_pb2, translation_service_pb2_grpc
from speech_service.calls.audio.source import stream_limits
from speech_service.calls.live_load import LiveAsk
from speech_service.calls.outbox import Outbox
from speech_service.calls.recognition import channels_of
from speech_service.calls.requests.context import fitting
from speech_service.calls.requests.resume import Part
from speech_service.calls.requests.translation import TranslationRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.translation import FedTranslation
from speech_service.dispatch.policy import stream_classes
from speech_service.domain.call import Call
from speech_service.domain.recognition import Pacing
from speech_service.edge.audio_fed_stream import AudioFedStream
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.resume import asked_resume
from speech_service.edge.v1.translation import config as convert_translation
from speech_service.edge.v1.translation.config import (
    RECOGNITION_FIELDS,
    STREAM_FIELDS,
    TEXT_FIELDS,
    UNARY_FIELDS,
    SpeechTranslationTools,
)
from speech_service.edge.v1.translation.speech import translate_speech
from speech_service.edge.v1.translation.stream import TranslationWire
from speech_service.edge.v1.translation.text import TextTranslation
from speech_service.sessions.recognition.session import SessionLimits
from speech_service.sessions.translation.events import EncodedTranslationEvent

_REFUSED = (("subtitles", "TranslateSpeech"),)
ServicerContext = aio.ServicerContext[Any, Any]
TranslateStream = AudioFedStream[
    translation_service_pb2.StreamingTranslateRequest,
    translation_service_pb2.StreamingTranslateResponse,
    EncodedTranslationEvent,
]


class TranslationServicer(translation_service_pb2_grpc.TranslationServiceServicer):
    """speech.v1.TranslationService."""

    def __init__(
        self,
        serving: Serving,
        requests: TranslationRequests,
        tools: SessionTools,
        speech: SpeechTranslationTools,
        identifier: str,
    ) -> None:
        """``identifier``: the model that tells the language of text; empty: there is none."""
        self._serving = serving
        self._requests = requests
        self._tools = tools
        self._speech = speech
        self._identifier = identifier

    async def TranslateText(  # noqa: N802 - the name on the wire
        self,
        request: translation_service_pb2.TranslateTextRequest,
        context: ServicerContext,
    ) -> translation_service_pb2.TranslateTextResponse:
        """Translate texts or a subtitle file."""
        with TEXT_FIELDS.named(), self._serving.unary(call_of(context)):
            return await TextTranslation(
                self._serving, self._requests, self._tools, self._identifier, call_of(context)
            ).run(request)

    async def TranslateSpeech(  # noqa: N802 - the name on the wire
        self,
        request: translation_service_pb2.TranslateSpeechRequest,
        context: ServicerContext,
    ) -> translation_service_pb2.TranslateSpeechResponse:
        """Recognize one whole piece of audio and translate it."""
        with UNARY_FIELDS.named(), self._serving.unary(call_of(context)):
            return await translate_speech(
                self._serving,
                self._requests,
                self._tools,
                self._speech,
                self._identifier,
                call_of(context),
                request,
            )

    async def StreamingTranslate(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[translation_service_pb2.StreamingTranslateRequest],
        context: ServicerContext,
    ) -> AsyncIterator[translation_service_pb2.StreamingTranslateResponse]:
        """Translate a stream of text or speech."""
        opener = partial(self._open, call_of(context))
        with STREAM_FIELDS.named():
            async for response in self._serving.run(opener, request_iterator, context):
                yield response

    async def _open(
        self,
        call: Call,
        first: translation_service_pb2.StreamingTranslateRequest,
        outbox: Outbox[EncodedTranslationEvent],
    ) -> TranslateStream:
        config, speech = first.config, self._speech
        wanted = convert_translation.wanted(config, call, _REFUSED)
        request = await self._requests.with_speech(self._requests.check(wanted))
        recognition, apart = None, False
        if config.HasField("recognition"):
            heard = convert_translation.wanted_recognition(config, streaming=True)
            with RECOGNITION_FIELDS.named():
                recognition = speech.listening.check(heard, streaming=True)
            apart = recognition.options.separate_channels
        parts: tuple[Part, ...] = ("segments", "translations")
        resume = asked_resume(config, call, self._serving.tokens, parts, separate_channels=apart)
        if recognition is not None:
            if recognition.options.pacing is Pacing.REALTIME:
                ask = LiveAsk(recognition.model.name, channels_of(recognition))
                self._serving.admission.live(call, ask)
            with RECOGNITION_FIELDS.named():
                recognition = await fitting(self._tools.submitter, recognition)
        pacing = recognition.options.pacing if recognition is not None else Pacing.REALTIME
        fed = FedTranslation(
            self._tools,
            speech.audio,
            speech.encoders,
            call,
            request,
            recognition,
            stream_classes(pacing),
            stream_limits(speech.audio.config),
            SessionLimits(max_lag_s=self._serving.stream.max_lag_s),
            self._identifier,
            outbox.put,
            resume,
        )
        limits = self._requests.limits
        wire = TranslationWire(
            self._serving, limits, call, config, request, recognition, resume, fed
        )
        return AudioFedStream(fed, wire, self._serving.server.max_audio_message_bytes)
