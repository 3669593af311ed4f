"""RecognitionService: one session type behind both RPCs."""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import recognition_service_pb2, recognition_service_pb2_grpc
from speech_service.calls.call import current_call
from speech_service.calls.parts import EdgeParts
from speech_service.edge.stream import StreamPump
from speech_service.edge.v1.recognition.config import STREAM_FIELDS, UNARY_FIELDS
from speech_service.edge.v1.recognition.stream import RecognizeStream
from speech_service.edge.v1.recognition.unary import UnaryRecognition

ServicerContext = aio.ServicerContext[Any, Any]


class RecognitionServicer(recognition_service_pb2_grpc.RecognitionServiceServicer):
    """speech.v1.RecognitionService."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts

    async def Recognize(  # noqa: N802 - the name on the wire
        self,
        request: recognition_service_pb2.RecognizeRequest,
        context: ServicerContext,
    ) -> recognition_service_pb2.RecognizeResponse:
        """Recognize one whole piece of audio."""
        with UNARY_FIELDS.named(), self._parts.admission.unary():
            return await UnaryRecognition(self._parts, context).run(request)

    async def StreamingRecognize(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[recognition_service_pb2.StreamingRecognizeRequest],
        context: ServicerContext,
    ) -> AsyncIterator[recognition_service_pb2.StreamingRecognizeResponse]:
        """Recognize a stream."""
        handler = RecognizeStream(self._parts, context)
        request_id = current_call.get().request_id
        pump = StreamPump(handler, self._parts.config.stream, request_id)
        with STREAM_FIELDS.named(), self._parts.admission.stream(pump):
            try:
                async for response in pump.run(request_iterator, context):
                    yield response
            finally:
                await handler.close()
