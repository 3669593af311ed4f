"""AlignmentService: one session type behind both RPCs."""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import alignment_service_pb2, alignment_service_pb2_grpc
from speech_service.calls.call import current_call
from speech_service.calls.parts import EdgeParts
from speech_service.edge.stream import StreamPump
from speech_service.edge.v1.alignment.config import STREAM_FIELDS, UNARY_FIELDS
from speech_service.edge.v1.alignment.stream import AlignStream
from speech_service.edge.v1.alignment.unary import UnaryAlignment

ServicerContext = aio.ServicerContext[Any, Any]


class AlignmentServicer(alignment_service_pb2_grpc.AlignmentServiceServicer):
    """speech.v1.AlignmentService."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts

    async def Align(  # noqa: N802 - the name on the wire
        self, request: alignment_service_pb2.AlignRequest, context: ServicerContext
    ) -> alignment_service_pb2.AlignResponse:
        """Align one whole piece of audio with its text."""
        with UNARY_FIELDS.named(), self._parts.admission.unary():
            return await UnaryAlignment(self._parts, context).run(request)

    async def StreamingAlign(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[alignment_service_pb2.StreamingAlignRequest],
        context: ServicerContext,
    ) -> AsyncIterator[alignment_service_pb2.StreamingAlignResponse]:
        """Align while audio, text or both arrive."""
        handler = AlignStream(self._parts, context)
        pump = StreamPump(handler, self._parts.config.stream, current_call.get().request_id)
        with STREAM_FIELDS.named(), self._parts.admission.stream(pump):
            try:
                async for response in pump.run(request_iterator, context):
                    yield response
            finally:
                await handler.close()
