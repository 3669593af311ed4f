"""What both recognition RPCs open: a session, its runner, and the audio source that feeds it."""

import time

from speech_service.calls.audio_source import AudioInput, AudioSource, make_source
from speech_service.calls.driver import OnEvent
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import Samples
from speech_service.domain.call import Call
from speech_service.domain.work import WorkClass
from speech_service.edge.v1.recognition.config import RecognitionRequest
from speech_service.media.decode.limits import DecodeLimits
from speech_service.sessions.recognition.events import RecognitionEvent
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionIdentity,
    SessionLimits,
)


class OpenedRecognition:
    """A session with the audio source that feeds it.

    ``runner.turn`` orders the source's blocks and the client's other messages.
    """

    def __init__(
        self,
        tools: SessionTools,
        audio: AudioInput,
        call: Call,
        request: RecognitionRequest,
        natural_classes: tuple[WorkClass, WorkClass],
        limits: DecodeLimits,
        session_limits: SessionLimits,
        on_event: OnEvent[RecognitionEvent],
    ) -> None:
        call.opened(request.model.name)
        final_class, partial_class = (
            effective_class(call.priority, natural) for natural in natural_classes
        )
        identity = SessionIdentity(
            call.session_id,
            final_class,
            partial_class,
            call.traceparent,
            call.deadline_s,
            LONG_CALL_MS if final_class is WorkClass.UNARY else None,
        )
        session = RecognitionSession(identity, request.options, time.monotonic, session_limits)
        self.runner = tools.runner(session, call, request.options.pacing, on_event)
        self.source: AudioSource = make_source(
            request.audio,
            audio.decoders,
            limits,
            request.options.separate_channels,
            self._block,
            lambda error: self.runner.close(error),
            lambda loss, passed_ms: self.runner.session.lost(loss, passed_ms),
            self._finish,
        )

    async def _block(self, samples: Samples) -> None:
        async with self.runner.turn:
            await self.runner.perform(self.runner.session.audio(samples))

    async def _finish(self) -> None:
        """No more of the audio can be read: what there is gets its results, and the session ends well."""
        async with self.runner.turn:
            await self.runner.catch_up()
            await self.runner.perform(self.runner.session.end_of_audio())
