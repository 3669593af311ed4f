"""What both recognition RPCs open: a session, its runner, and the audio source that feeds it."""

import time
from typing import Any, cast

from grpc import aio

from speech_service.calls.audio_source import AudioSource, make_source
from speech_service.calls.call import current_call, new_id
from speech_service.calls.driver import OnEvent, SessionRunner
from speech_service.calls.parts import EdgeParts
from speech_service.calls.trace import SessionTrace
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import Samples
from speech_service.domain.work import WorkClass
from speech_service.edge.v1.recognition.config import RecognitionRequest
from speech_service.media.decode.limits import DecodeLimits
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
        parts: EdgeParts,
        request: RecognitionRequest,
        natural_classes: tuple[WorkClass, WorkClass],
        limits: DecodeLimits,
        on_event: OnEvent,
        deadline_s: float | None,
    ) -> None:
        call = current_call.get()
        call.session_id = call.session_id or new_id()
        call.model = request.model.name
        final_class, partial_class = (
            effective_class(call.priority, natural) for natural in natural_classes
        )
        self._identity = SessionIdentity(
            call.session_id,
            final_class,
            partial_class,
            call.traceparent,
            deadline_s,
            LONG_CALL_MS if final_class is WorkClass.UNARY else None,
        )
        self._parts = parts
        self._request = request
        self._on_event = on_event
        self.source: AudioSource = make_source(
            request.audio,
            parts.decoders,
            limits,
            request.options.separate_channels,
            self._block,
            lambda error: self.runner.close(error),
            lambda loss, passed_ms: self.runner.session.lost(loss, passed_ms),
            self._finish,
        )
        self.runner = self._make_runner()

    def _make_runner(self) -> SessionRunner[RecognitionSession]:
        parts, call = self._parts, current_call.get()
        session = RecognitionSession(
            self._identity,
            self._request.options,
            time.monotonic,
            SessionLimits(max_lag_s=parts.config.stream.max_lag_s),
        )
        mode = call.mode(self._request.options.pacing)
        trace = SessionTrace(call, mode, parts.tracer, parts.observer)
        return SessionRunner(session, parts.submitter, parts.vad, trace, self._on_event)

    async def _block(self, samples: Samples) -> None:
        async with self.runner.turn:
            await self.runner.perform(self.runner.session.audio(samples))

    async def _finish(self) -> None:
        """No more of the audio can be read: what there is gets its results, and the session ends well."""
        async with self.runner.turn:
            await self.runner.catch_up()
            await self.runner.perform(self.runner.session.end_of_audio())


def deadline_s(context: aio.ServicerContext[Any, Any]) -> float | None:
    """The call's deadline on the monotonic clock."""
    remaining_s = cast("float | None", context.time_remaining())  # the stub forgets None
    return None if remaining_s is None else time.monotonic() + remaining_s
