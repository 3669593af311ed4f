"""TranslationService: texts and subtitle files by themselves, speech and streams through one session type."""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import translation_service_pb2, translation_service_pb2_grpc
from speech_service.calls.call import current_call
from speech_service.calls.parts import EdgeParts
from speech_service.edge.stream import StreamPump
from speech_service.edge.v1.translation.config import STREAM_FIELDS, TEXT_FIELDS, UNARY_FIELDS
from speech_service.edge.v1.translation.speech import SpeechTranslation
from speech_service.edge.v1.translation.stream import TranslateStream
from speech_service.edge.v1.translation.text import TextTranslation

ServicerContext = aio.ServicerContext[Any, Any]


class TranslationServicer(translation_service_pb2_grpc.TranslationServiceServicer):
    """speech.v1.TranslationService."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts

    async def TranslateText(  # noqa: N802 - the name on the wire
        self,
        request: translation_service_pb2.TranslateTextRequest,
        context: ServicerContext,
    ) -> translation_service_pb2.TranslateTextResponse:
        """Translate texts or a subtitle file."""
        with TEXT_FIELDS.named(), self._parts.admission.unary():
            return await TextTranslation(self._parts, context).run(request)

    async def TranslateSpeech(  # noqa: N802 - the name on the wire
        self,
        request: translation_service_pb2.TranslateSpeechRequest,
        context: ServicerContext,
    ) -> translation_service_pb2.TranslateSpeechResponse:
        """Recognize one whole piece of audio and translate it."""
        with UNARY_FIELDS.named(), self._parts.admission.unary():
            return await SpeechTranslation(self._parts, context).run(request)

    async def StreamingTranslate(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[translation_service_pb2.StreamingTranslateRequest],
        context: ServicerContext,
    ) -> AsyncIterator[translation_service_pb2.StreamingTranslateResponse]:
        """Translate a stream of text or speech."""
        handler = TranslateStream(self._parts, context)
        pump = StreamPump(handler, self._parts.config.stream, current_call.get().request_id)
        with STREAM_FIELDS.named(), self._parts.admission.stream(pump):
            try:
                async for response in pump.run(request_iterator, context):
                    yield response
            finally:
                await handler.close()
