"""TranslationService: texts and subtitle files by themselves, speech and streams through one session type."""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import translation_service_pb2, translation_service_pb2_grpc
from speech_service.calls.session_tools import SessionTools
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.translation.config import (
    STREAM_FIELDS,
    TEXT_FIELDS,
    UNARY_FIELDS,
    SpeechTranslationTools,
    TranslationConverter,
)
from speech_service.edge.v1.translation.speech import SpeechTranslation
from speech_service.edge.v1.translation.stream import TranslateStream
from speech_service.edge.v1.translation.text import TextTranslation

ServicerContext = aio.ServicerContext[Any, Any]


class TranslationServicer(translation_service_pb2_grpc.TranslationServiceServicer):
    """speech.v1.TranslationService."""

    def __init__(
        self,
        serving: Serving,
        converter: TranslationConverter,
        tools: SessionTools,
        speech: SpeechTranslationTools,
        identifier: str,
    ) -> None:
        """``identifier``: the model that tells the language of text; empty: there is none."""
        self._serving = serving
        self._converter = converter
        self._tools = tools
        self._speech = speech
        self._identifier = identifier

    async def TranslateText(  # noqa: N802 - the name on the wire
        self,
        request: translation_service_pb2.TranslateTextRequest,
        context: ServicerContext,
    ) -> translation_service_pb2.TranslateTextResponse:
        """Translate texts or a subtitle file."""
        with TEXT_FIELDS.named(), self._serving.admission.unary():
            return await TextTranslation(
                self._serving, self._converter, self._tools, self._identifier, call_of(context)
            ).run(request)

    async def TranslateSpeech(  # noqa: N802 - the name on the wire
        self,
        request: translation_service_pb2.TranslateSpeechRequest,
        context: ServicerContext,
    ) -> translation_service_pb2.TranslateSpeechResponse:
        """Recognize one whole piece of audio and translate it."""
        with UNARY_FIELDS.named(), self._serving.admission.unary():
            return await SpeechTranslation(
                self._serving,
                self._converter,
                self._tools,
                self._speech,
                self._identifier,
                call_of(context),
            ).run(request)

    async def StreamingTranslate(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[translation_service_pb2.StreamingTranslateRequest],
        context: ServicerContext,
    ) -> AsyncIterator[translation_service_pb2.StreamingTranslateResponse]:
        """Translate a stream of text or speech."""
        handler = TranslateStream(
            self._serving,
            self._converter,
            self._tools,
            self._speech,
            self._identifier,
            call_of(context),
        )
        with STREAM_FIELDS.named():
            async for response in self._serving.run(handler, request_iterator, context):
                yield response
