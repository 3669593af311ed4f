"""What TranslateSpeech and StreamingTranslate open: a session, its runner, and the audio source, where there is one."""

import time
from collections.abc import Mapping

from speech_service.calls.audio_source import AudioSource, make_source
from speech_service.calls.call import current_call, new_id
from speech_service.calls.driver import OnEvent, SessionRunner
from speech_service.calls.language_guess import identifier_name
from speech_service.calls.parts import EdgeParts
from speech_service.calls.trace import SessionTrace
from speech_service.calls.translated_speech_output import SpokenOutput
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import Samples
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.work import WorkClass
from speech_service.edge.v1.recognition.config import RecognitionRequest
from speech_service.edge.v1.translation.config import TranslationRequest
from speech_service.media.decode.limits import DecodeLimits
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionIdentity,
    SessionLimits,
)
from speech_service.sessions.translation.session import TranslationSession
from speech_service.sessions.translation.work import TranslationOptions


class OpenedTranslation:
    """A session, with the source that feeds it audio; ``source`` is None for text."""

    def __init__(
        self,
        parts: EdgeParts,
        request: TranslationRequest,
        recognition: RecognitionRequest | None,
        voices: Mapping[str, SynthesisOptions],
        natural_classes: tuple[WorkClass, WorkClass],
        limits: DecodeLimits,
        on_event: OnEvent,
        deadline_s: float | None,
    ) -> None:
        """``voices``: how targets are spoken."""
        call = current_call.get()
        call.session_id = call.session_id or new_id()
        call.model = request.model
        final_class, partial_class = (
            effective_class(call.priority, natural) for natural in natural_classes
        )
        identity = SessionIdentity(
            call.session_id,
            final_class,
            partial_class,
            call.traceparent,
            deadline_s,
            LONG_CALL_MS if final_class is WorkClass.UNARY else None,
        )
        pacing = None if recognition is None else recognition.options.pacing
        trace = SessionTrace(call, call.mode(pacing), parts.tracer, parts.observer)
        session = _session(parts, request, recognition, voices, identity)
        self._output: SpokenOutput | None = None
        if voices:
            self._output = SpokenOutput(parts.encoders, on_event, self._delivered)
            on_event = self._output.put
        self.runner = SessionRunner(session, parts.submitter, parts.vad, trace, on_event)
        self.source: AudioSource | None = None
        if recognition is not None:
            self.source = make_source(
                recognition.audio,
                parts.decoders,
                limits,
                recognition.options.separate_channels,
                self._block,
                lambda error: self.runner.close(error),
                lambda loss, passed_ms: self.runner.session.lost(loss, passed_ms),
                self._finish,
            )

    async def close(self) -> None:
        """Free the decoder and the encoders."""
        if self.source is not None:
            await self.source.close()
        if self._output is not None:
            await self._output.close()

    def _delivered(self) -> None:
        self.runner.perform_now(self.runner.session.delivered())

    async def _block(self, samples: Samples) -> None:
        async with self.runner.turn:
            await self.runner.perform(self.runner.session.audio(samples))

    async def _finish(self) -> None:
        """No more of the audio can be read: what there is gets its results, and the session ends well."""
        async with self.runner.turn:
            await self.runner.catch_up()
            await self.runner.perform(self.runner.session.end_of_input())


def _session(
    parts: EdgeParts,
    request: TranslationRequest,
    recognition: RecognitionRequest | None,
    voices: Mapping[str, SynthesisOptions],
    identity: SessionIdentity,
) -> TranslationSession:
    options = TranslationOptions(
        targets=request.targets,
        source_language=request.source,
        identifier=identifier_name(parts),
        partials=request.message.partial_translations,
        voices=voices,
    )
    listening = None
    if recognition is not None:
        limits = SessionLimits(max_lag_s=parts.config.stream.max_lag_s)
        listening = RecognitionSession(identity, recognition.options, time.monotonic, limits)
    return TranslationSession(identity, options, request.route, time.monotonic, listening)
