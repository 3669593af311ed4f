"""What TranslateSpeech and StreamingTranslate open: a session, its runner, and the audio source, where there is one."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from speech_service.calls.audio_source import AudioInput, AudioSource, make_source
from speech_service.calls.driver import OnEvent
from speech_service.calls.requests.translation import TranslationRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.output import SpeechOutput, Track
from speech_service.dispatch.policy import LONG_CALL_MS, effective_class
from speech_service.domain.audio import Samples
from speech_service.domain.call import Call
from speech_service.domain.errors import SpeechError
from speech_service.domain.events import (
    SegmentInLanguage,
    SessionEnded,
    SpeechChunk,
    SpeechSamples,
    StreamWarning,
)
from speech_service.domain.work import WorkClass
from speech_service.edge.v1.recognition.config import RecognitionRequest
from speech_service.media.decode.limits import DecodeLimits
from speech_service.media.encode.encoder import EncoderPool
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionIdentity,
    SessionLimits,
)
from speech_service.sessions.translation.events import EncodedTranslationEvent, TranslationEvent
from speech_service.sessions.translation.session import TranslationSession
from speech_service.sessions.translation.work import TranslationOptions


class OpenedTranslation:
    """A session, with the source that feeds it audio; ``source`` is None for text. Implements ``Listener``."""

    def __init__(
        self,
        tools: SessionTools,
        audio: AudioInput,
        encoders: EncoderPool,
        call: Call,
        request: TranslationRequest,
        recognition: RecognitionRequest | None,
        natural_classes: tuple[WorkClass, WorkClass],
        limits: DecodeLimits,
        session_limits: SessionLimits,
        identifier: str,
        on_event: OnEvent[EncodedTranslationEvent],
    ) -> None:
        """``identifier``: the model that tells the language of text."""
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
            partials=request.wanted.partials,
            sentence_pause_ms=request.sentence_pause_ms,
            voices={target: spoken.options for target, spoken in request.spoken.items()},
        )
        listening = None
        if recognition is not None:
            listening = RecognitionSession(
                identity, recognition.options, time.monotonic, session_limits
            )
        session = TranslationSession(identity, options, request.route, time.monotonic, listening)
        self._on_event = on_event
        self._output: SpeechOutput[SegmentInLanguage] | None = None
        if request.spoken:
            self._output = SpeechOutput(encoders, self)
        self._audio_ms = 0
        self.runner = tools.runner(session, call, pacing, self._tell)
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

    # --- what the session tells; where it speaks, everything in order with its speech ---

    def encoded(
        self,
        track: Track[SegmentInLanguage],
        chunks: Sequence[SpeechChunk[SegmentInLanguage]],
        audio_ms: float,
    ) -> None:
        """As of ``Listener``."""
        del track, audio_ms
        for chunk in chunks:
            self._audio_ms += chunk.duration_ms
            self._on_event(chunk)

    def failed(self, owner: SegmentInLanguage, error: SpeechError) -> None:
        """As of ``Listener``."""
        message = f"no more is spoken in {owner.language}: {error.message} ({error.reason})"
        self._on_event(StreamWarning("SPEECH_FAILED", "", message, cause=error))

    def _tell(self, event: TranslationEvent) -> None:
        if isinstance(event, SpeechSamples):
            if self._output is not None:
                self._output.speak(event)
        elif self._output is None:
            self._on_event(event)
        elif isinstance(event, SessionEnded):
            self._output.at_last(partial(self._end, self._output, event))
        else:
            self._output.then(partial(self._pass_on, event))

    async def _pass_on(self, event: EncodedTranslationEvent) -> None:
        self._on_event(event)

    async def _end(self, output: SpeechOutput[SegmentInLanguage], event: SessionEnded) -> None:
        await output.finish_all()
        self._on_event(replace(event, usage=replace(event.usage, audio_out_ms=self._audio_ms)))
        self.runner.perform_now(self.runner.session.delivered())

    async def _block(self, samples: Samples) -> None:
        async with self.runner.turn:
            await self.runner.perform(self.runner.session.audio(samples))

    async def _finish(self) -> None:
        """No more of the audio can be read: what there is gets its results, and the session ends well."""
        async with self.runner.turn:
            await self.runner.catch_up()
            await self.runner.perform(self.runner.session.end_of_input())
