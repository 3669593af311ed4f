"""StreamingAlign after its first message: what is its own, and what is answered."""

from collections.abc import Sequence
from typing import assert_never

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import common_pb2
from speech_service.calls.alignment import FedAlignment
from speech_service.calls.requests.alignment import MAX_TEXT_CHARACTERS, AlignmentRequest
from speech_service.domain import events
from speech_service.domain.alignment import UnalignedSpan
from speech_service.domain.call import Call
from speech_service.domain.resume import ResumePoint
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.alignment import config as convert_alignment
from speech_service.edge.v1.alignment.config import STREAM_FIELDS
from speech_service.edge.v1.resume import going_away, session_started
from speech_service.sessions.alignment.events import AlignmentEvent


class AlignmentWire:
    """StreamingAlign; ``request`` and ``resume`` are what its first message asked for."""

    instead_of_config = "text, audio or a control message"
    beside_audio: Sequence[str] = ("text",)

    def __init__(
        self,
        serving: Serving,
        call: Call,
        request: AlignmentRequest,
        resume: ResumePoint,
        fed: FedAlignment,
    ) -> None:
        self._serving = serving
        self._call = call
        self._options = request.options
        self._resume = resume
        self._runner = fed.runner

    async def message(self, kind: str, request: pb.StreamingAlignRequest) -> bool:
        if kind != "text":
            return False
        text = request.text
        await self._runner.perform(self._runner.session.text(text.text, text.end_of_text))
        return True

    def responses(self, event: AlignmentEvent) -> Sequence[pb.StreamingAlignResponse]:
        """Domain to wire."""
        response = pb.StreamingAlignResponse
        match event:
            case events.AlignedUnits(units):
                placed = pb.AlignedUnits(units=map(convert_alignment.unit, units))
                return (response(aligned_units=placed),)
            case UnalignedSpan():
                return (response(unaligned_span=convert_alignment.span(event)),)
            case events.Progress():
                return (response(progress=convert.progress(event)),)
            case events.ControlAck():
                return (response(control_ack=convert.control_ack(event, STREAM_FIELDS)),)
            case events.StreamWarning():
                return (response(warning=convert.warning(event, STREAM_FIELDS)),)
            case events.GoingAway():
                return (response(going_away=going_away(event, self._call, self._serving.tokens)),)
            case events.SessionStarted():
                effective = convert_alignment.effective_config(self._options)
                return (response(session_started=self._started(), effective_config=effective),)
            case events.SessionEnded():
                self._call.finished(event.usage, event.latency)
                return (response(session_ended=convert.session_ended(event)),)
            case _:
                assert_never(event)

    def _started(self) -> common_pb2.SessionStarted:
        limits = common_pb2.Limits(
            max_audio_message_bytes=convert.uint32(self._serving.server.max_audio_message_bytes),
            max_text_characters=MAX_TEXT_CHARACTERS,
            max_channels=1,
        )
        return session_started(self._call, self._serving, self._options.model, limits, self._resume)
