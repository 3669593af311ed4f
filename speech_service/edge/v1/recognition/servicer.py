"""RecognitionService: one session type behind both RPCs."""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import recognition_service_pb2, recognition_service_pb2_grpc
from speech_service.calls.audio_source import AudioInput
from speech_service.calls.session_tools import SessionTools
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.recognition.config import (
    STREAM_FIELDS,
    UNARY_FIELDS,
    RecognitionConverter,
)
from speech_service.edge.v1.recognition.stream import RecognizeStream
from speech_service.edge.v1.recognition.unary import UnaryRecognition

ServicerContext = aio.ServicerContext[Any, Any]


class RecognitionServicer(recognition_service_pb2_grpc.RecognitionServiceServicer):
    """speech.v1.RecognitionService."""

    def __init__(
        self,
        serving: Serving,
        converter: RecognitionConverter,
        tools: SessionTools,
        audio: AudioInput,
    ) -> None:
        self._serving = serving
        self._converter = converter
        self._tools = tools
        self._audio = audio

    async def Recognize(  # noqa: N802 - the name on the wire
        self,
        request: recognition_service_pb2.RecognizeRequest,
        context: ServicerContext,
    ) -> recognition_service_pb2.RecognizeResponse:
        """Recognize one whole piece of audio."""
        with UNARY_FIELDS.named(), self._serving.admission.unary():
            return await UnaryRecognition(
                self._serving, self._converter, self._tools, self._audio, call_of(context)
            ).run(request)

    async def StreamingRecognize(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[recognition_service_pb2.StreamingRecognizeRequest],
        context: ServicerContext,
    ) -> AsyncIterator[recognition_service_pb2.StreamingRecognizeResponse]:
        """Recognize a stream."""
        handler = RecognizeStream(
            self._serving, self._converter, self._tools, self._audio, call_of(context)
        )
        with STREAM_FIELDS.named():
            async for response in self._serving.run(handler.open, request_iterator, context):
                yield response
