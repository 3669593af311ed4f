"""What TranslateSpeech and StreamingTranslate open: a session, its runner, and the audio source, where there is one."""

import time
from collections.abc import Mapping

from speech_service.calls.audio_source import AudioInput, AudioSource, make_source
from speech_service.calls.driver import OnEvent
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.translated_speech_output import SpokenOutput
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import Samples
from speech_service.domain.call import Call
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.work import WorkClass
from speech_service.edge.v1.recognition.config import RecognitionRequest
from speech_service.edge.v1.translation.config import TranslationRequest
from speech_service.media.decode.limits import DecodeLimits
from speech_service.media.encode.encoder import EncoderPool
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
        tools: SessionTools,
        audio: AudioInput,
        encoders: EncoderPool,
        call: Call,
        request: TranslationRequest,
        recognition: RecognitionRequest | None,
        voices: Mapping[str, SynthesisOptions],
        natural_classes: tuple[WorkClass, WorkClass],
        limits: DecodeLimits,
        session_limits: SessionLimits,
        identifier: str,
        on_event: OnEvent,
    ) -> None:
        """``voices``: how targets are spoken. ``identifier``: the model that tells the language of text."""
        call.opened(request.model)
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
        pacing = None if recognition is None else recognition.options.pacing
        options = TranslationOptions(
            targets=request.targets,
            source_language=request.source,
            identifier=identifier,
            partials=request.message.partial_translations,
            voices=voices,
        )
        listening = None
        if recognition is not None:
            listening = RecognitionSession(
                identity, recognition.options, time.monotonic, session_limits
            )
        session = TranslationSession(identity, options, request.route, time.monotonic, listening)
        self._output: SpokenOutput | None = None
        if voices:
            self._output = SpokenOutput(encoders, on_event, self._delivered)
            on_event = self._output.put
        self.runner = tools.runner(session, call, pacing, on_event)
        self.source: AudioSource | None = None
        if recognition is not None:
            self.source = make_source(
                recognition.audio,
                audio.decoders,
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
