"""RecognitionService: one session type behind both RPCs."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from grpc import aio

from speech.v1 import recognition_service_pb2, recognition_service_pb2_grpc
from speech_service.calls.audio.source import AudioInput, stream_limits
from speech_service.calls.live_load import LiveAsk
from speech_service.calls.outbox import Outbox
from speech_service.calls.recognition import channels_of, open_recognition
from speech_service.calls.requests.context import fitting
from speech_service.calls.requests.recognition import RecognitionRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import stream_classes
from speech_service.domain.call import Call
from speech_service.domain.recognition import Pacing
from speech_service.edge.audio_fed_stream import AudioFedStream
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.recognition.config import STREAM_FIELDS, UNARY_FIELDS, wanted
from speech_service.edge.v1.recognition.stream import RecognitionWire
from speech_service.edge.v1.recognition.unary import recognize
from speech_service.edge.v1.resume import asked_resume
from speech_service.sessions.recognition.events import RecognitionEvent
from speech_service.sessions.recognition.session import SessionLimits

ServicerContext = aio.ServicerContext[Any, Any]
RecognizeStream = AudioFedStream[
    recognition_service_pb2.StreamingRecognizeRequest,
    recognition_service_pb2.StreamingRecognizeResponse,
    RecognitionEvent,
]


class RecognitionServicer(recognition_service_pb2_grpc.RecognitionServiceServicer):
    """speech.v1.RecognitionService."""

    def __init__(
        self,
        serving: Serving,
        requests: RecognitionRequests,
        tools: SessionTools,
        audio: AudioInput,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._tools = tools
        self._audio = audio

    async def Recognize(  # noqa: N802 - the name on the wire
        self,
        request: recognition_service_pb2.RecognizeRequest,
        context: ServicerContext,
    ) -> recognition_service_pb2.RecognizeResponse:
        """Recognize one whole piece of audio."""
        with UNARY_FIELDS.named(), self._serving.unary(call_of(context)):
            return await recognize(
                self._serving, self._requests, self._tools, self._audio, call_of(context), request
            )

    async def StreamingRecognize(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[recognition_service_pb2.StreamingRecognizeRequest],
        context: ServicerContext,
    ) -> AsyncIterator[recognition_service_pb2.StreamingRecognizeResponse]:
        """Recognize a stream."""
        opener = partial(self._open, call_of(context))
        with STREAM_FIELDS.named():
            async for response in self._serving.run(opener, request_iterator, context):
                yield response

    async def _open(
        self,
        call: Call,
        first: recognition_service_pb2.StreamingRecognizeRequest,
        outbox: Outbox[RecognitionEvent],
    ) -> RecognizeStream:
        checked = self._requests.check(wanted(first.config, streaming=True), streaming=True)
        apart = checked.options.separate_channels
        resume = asked_resume(
            first.config, call, self._serving.tokens, ("segments",), separate_channels=apart
        )
        if checked.options.pacing is Pacing.REALTIME:
            self._serving.admission.live(call, LiveAsk(checked.model.name, channels_of(checked)))
        request = await fitting(self._tools.submitter, checked)
        fed = open_recognition(
            self._tools,
            self._audio,
            call,
            request,
            stream_classes(request.options.pacing),
            stream_limits(self._audio.config),
            SessionLimits(max_lag_s=self._serving.stream.max_lag_s),
            outbox.put,
            resume,
        )
        wire = RecognitionWire(
            self._serving,
            self._requests,
            self._tools.submitter,
            call,
            first.config,
            request,
            resume,
            fed,
        )
        return AudioFedStream(fed, wire, self._serving.server.max_audio_message_bytes)
