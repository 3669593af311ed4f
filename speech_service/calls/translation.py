"""What TranslateSpeech and StreamingTranslate open: a session that is fed with audio, or with text."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from speech_service.calls.audio.fed_session import FedSession
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.driver import OnEvent
from speech_service.calls.recognition import identity_of
from speech_service.calls.requests.recognition import RecognitionRequest
from speech_service.calls.requests.translation import TranslationRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.output import SpeechOutput, Track
from speech_service.calls.synthesis import tries_of
from speech_service.domain.call import Call
from speech_service.domain.errors import SpeechError
from speech_service.domain.events import (
    SegmentInLanguage,
    SessionEnded,
    SpeechChunk,
    SpeechSamples,
    StreamWarning,
)
from speech_service.domain.resume import BEGINNING, ResumePoint
from speech_service.domain.synthesis import SPEECH_CUT
from speech_service.domain.work import WorkClass
from speech_service.media.decode.limits import DecodeLimits
from speech_service.media.encode.encoder import EncoderPool
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionLimits,
)
from speech_service.sessions.translation.events import EncodedTranslationEvent, TranslationEvent
from speech_service.sessions.translation.session import TranslationSession
from speech_service.sessions.translation.work import TranslationOptions


class FedTranslation(FedSession[TranslationSession, TranslationEvent]):
    """A session, with its audio where it takes any, and with its speech where it makes any. Implements ``Listener``."""

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
        resume: ResumePoint = BEGINNING,
    ) -> None:
        """``recognition``: how its audio is recognized; None: it takes text. ``identifier``: the model that tells the
        language of text. ``resume``: where its audio goes on."""
        call.opened(request.model)
        identity = identity_of(call, natural_classes)
        options = TranslationOptions(
            targets=request.targets,
            source_language=request.source,
            identifier=identifier,
            partials=request.wanted.partials,
            sentence_pause_ms=request.sentence_pause_ms,
            voices={target: spoken.options for target, spoken in request.spoken.items()},
            speech_tries=tries_of(natural_classes[0]),
        )
        heard = None if recognition is None else recognition.options
        listening = None
        if heard is not None:
            listening = RecognitionSession(identity, heard, time.monotonic, session_limits, resume)
        session = TranslationSession(
            identity, options, request.route, time.monotonic, listening, resume
        )
        self._on_event = on_event
        self._observer = tools.observer
        self._output: SpeechOutput[SegmentInLanguage] | None = None
        if request.spoken:
            self._output = SpeechOutput(encoders, self)
        self._audio_ms = 0
        runner = tools.runner(session, call, heard.pacing if heard else None, self._tell)
        super().__init__(
            call,
            runner,
            audio,
            None if recognition is None else recognition.audio,
            limits,
            separate_channels=heard is not None and heard.separate_channels,
        )
        warnings = (*request.warnings, *(recognition.warnings if recognition else ()))
        for actions in (session.start(), *map(session.warn, warnings)):
            runner.perform_now(actions)

    async def close(self) -> None:
        """Free the decoder and the encoders; note what a call that failed had used."""
        await super().close()
        if self._output is not None:
            await self._output.close()

    # --- what the session tells; where it speaks, everything in order with its speech ---

    def encoded(
        self,
        track: Track[SegmentInLanguage],
        chunks: Sequence[SpeechChunk[SegmentInLanguage]],
        audio_ms: float,
    ) -> None:
        del track, audio_ms
        for chunk in chunks:
            self._audio_ms += chunk.duration_ms
            self._on_event(chunk)

    def failed(self, owner: SegmentInLanguage, error: SpeechError) -> None:
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
        if isinstance(event, StreamWarning) and event.reason == SPEECH_CUT:
            self._observer.count("speech_synthesis_cut_total")
        self._on_event(event)

    async def _end(self, output: SpeechOutput[SegmentInLanguage], event: SessionEnded) -> None:
        await output.finish_all()
        self._on_event(replace(event, usage=replace(event.usage, audio_out_ms=self._audio_ms)))
        self.runner.perform_now(self.runner.session.delivered())
