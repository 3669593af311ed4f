"""AlignmentService: one session type behind both RPCs."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from grpc import aio

from speech.v1 import alignment_service_pb2, alignment_service_pb2_grpc
from speech_service.calls.alignment import open_alignment
from speech_service.calls.audio.source import AudioInput, stream_limits
from speech_service.calls.live_load import LiveAsk
from speech_service.calls.outbox import Outbox
from speech_service.calls.requests.alignment import AlignmentRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import stream_classes
from speech_service.domain.call import Call
from speech_service.domain.recognition import Pacing
from speech_service.edge.audio_fed_stream import AudioFedStream
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.alignment.config import STREAM_FIELDS, UNARY_FIELDS, wanted
from speech_service.edge.v1.alignment.stream import AlignmentWire
from speech_service.edge.v1.alignment.unary import align
from speech_service.edge.v1.resume import asked_resume
from speech_service.sessions.alignment.events import AlignmentEvent

ServicerContext = aio.ServicerContext[Any, Any]
AlignStream = AudioFedStream[
    alignment_service_pb2.StreamingAlignRequest,
    alignment_service_pb2.StreamingAlignResponse,
    AlignmentEvent,
]


class AlignmentServicer(alignment_service_pb2_grpc.AlignmentServiceServicer):
    """speech.v1.AlignmentService."""

    def __init__(
        self,
        serving: Serving,
        requests: AlignmentRequests,
        tools: SessionTools,
        audio: AudioInput,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._tools = tools
        self._audio = audio

    async def Align(  # noqa: N802 - the name on the wire
        self, request: alignment_service_pb2.AlignRequest, context: ServicerContext
    ) -> alignment_service_pb2.AlignResponse:
        """Align one whole piece of audio with its text."""
        with UNARY_FIELDS.named(), self._serving.unary(call_of(context)):
            return await align(
                self._serving, self._requests, self._tools, self._audio, call_of(context), request
            )

    async def StreamingAlign(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[alignment_service_pb2.StreamingAlignRequest],
        context: ServicerContext,
    ) -> AsyncIterator[alignment_service_pb2.StreamingAlignResponse]:
        """Align while audio, text or both arrive."""
        opener = partial(self._open, call_of(context))
        with STREAM_FIELDS.named():
            async for response in self._serving.run(opener, request_iterator, context):
                yield response

    async def _open(
        self,
        call: Call,
        first: alignment_service_pb2.StreamingAlignRequest,
        outbox: Outbox[AlignmentEvent],
    ) -> AlignStream:
        request = self._requests.check(wanted(first.config, streaming=True), streaming=True)
        resume = asked_resume(first.config, call, self._serving.tokens, ("text",))
        if request.options.pacing is Pacing.REALTIME:
            self._serving.admission.live(call, LiveAsk(request.options.model))
        fed = open_alignment(
            self._tools,
            self._audio,
            call,
            request,
            stream_classes(request.options.pacing),
            stream_limits(self._audio.config),
            outbox.put,
            resume=resume,
        )
        wire = AlignmentWire(self._serving, call, request, resume, fed)
        return AudioFedStream(fed, wire, self._serving.server.max_audio_message_bytes)
