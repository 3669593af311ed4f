"""What both alignment RPCs open: a session, its runner, and the audio source that feeds it."""

import time

from speech_service.calls.audio_source import AudioInput, AudioSource, make_source
from speech_service.calls.driver import OnEvent
from speech_service.calls.session_tools import SessionTools
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import Samples
from speech_service.domain.call import Call
from speech_service.domain.work import WorkClass
from speech_service.edge.v1.alignment.config import AlignmentRequest
from speech_service.media.decode.limits import DecodeLimits
from speech_service.sessions.alignment.events import AlignmentEvent
from speech_service.sessions.alignment.session import (
    AlignmentIdentity,
    AlignmentPace,
    AlignmentSession,
)


class OpenedAlignment:
    """A session with the audio source that feeds it.

    ``runner.turn`` orders the source's blocks and the client's other messages.
    """

    def __init__(
        self,
        tools: SessionTools,
        audio: AudioInput,
        call: Call,
        request: AlignmentRequest,
        natural_classes: tuple[WorkClass, WorkClass],
        limits: DecodeLimits,
        on_event: OnEvent[AlignmentEvent],
        pace: AlignmentPace | None = None,
    ) -> None:
        """``natural_classes``: of windows that the client waits for, and of the others."""
        call.opened(request.model.name)
        urgent, other = (effective_class(call.priority, natural) for natural in natural_classes)
        bulk_over_ms = LONG_CALL_MS if urgent is WorkClass.UNARY else None
        identity = AlignmentIdentity(call.session_id, other, urgent, call.deadline_s, bulk_over_ms)
        session = AlignmentSession(identity, request.options, time.monotonic, pace)
        self.runner = tools.runner(session, call, request.options.pacing, on_event)
        self.source: AudioSource = make_source(
            request.audio,
            audio.decoders,
            limits,
            False,
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
            await self.runner.perform(self.runner.session.end_of_input())
