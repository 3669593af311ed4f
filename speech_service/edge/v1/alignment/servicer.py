"""AlignmentService: one session type behind both RPCs."""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import alignment_service_pb2, alignment_service_pb2_grpc
from speech_service.calls.audio_source import AudioInput
from speech_service.calls.session_tools import SessionTools
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.alignment.config import STREAM_FIELDS, UNARY_FIELDS, AlignmentConverter
from speech_service.edge.v1.alignment.stream import AlignStream
from speech_service.edge.v1.alignment.unary import UnaryAlignment

ServicerContext = aio.ServicerContext[Any, Any]


class AlignmentServicer(alignment_service_pb2_grpc.AlignmentServiceServicer):
    """speech.v1.AlignmentService."""

    def __init__(
        self,
        serving: Serving,
        converter: AlignmentConverter,
        tools: SessionTools,
        audio: AudioInput,
    ) -> None:
        self._serving = serving
        self._converter = converter
        self._tools = tools
        self._audio = audio

    async def Align(  # noqa: N802 - the name on the wire
        self, request: alignment_service_pb2.AlignRequest, context: ServicerContext
    ) -> alignment_service_pb2.AlignResponse:
        """Align one whole piece of audio with its text."""
        with UNARY_FIELDS.named(), self._serving.admission.unary():
            return await UnaryAlignment(
                self._serving, self._converter, self._tools, self._audio, call_of(context)
            ).run(request)

    async def StreamingAlign(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[alignment_service_pb2.StreamingAlignRequest],
        context: ServicerContext,
    ) -> AsyncIterator[alignment_service_pb2.StreamingAlignResponse]:
        """Align while audio, text or both arrive."""
        handler = AlignStream(
            self._serving, self._converter, self._tools, self._audio, call_of(context)
        )
        with STREAM_FIELDS.named():
            async for response in self._serving.run(handler.open, request_iterator, context):
                yield response
