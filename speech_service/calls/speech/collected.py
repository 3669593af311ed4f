"""Encoded speech of a whole text, collected on its way to the client."""

from collections.abc import Sequence

from speech_service.calls.speech.audio_cache import FinishedAudio
from speech_service.domain.events import (
    ContextEnded,
    ContextTurn,
    SessionEnded,
    SpeechChunk,
    SpeechTimings,
    StreamWarning,
)
from speech_service.domain.synthesis import SpeechFinish
from speech_service.sessions.synthesis.events import EncodedSynthesisEvent


class CollectedAudio:
    """Takes the events of one context. ``known``: warnings that are told in another way."""

    def __init__(self, known: Sequence[StreamWarning] = ()) -> None:
        self._known = known
        self._chunks: list[SpeechChunk[ContextTurn] | SpeechTimings] = []
        self._warnings: list[StreamWarning] = []
        self.finish = SpeechFinish.COMPLETE
        self.size_bytes = 0
        """Of the audio so far."""

    def take(self, event: EncodedSynthesisEvent) -> None:
        """Keep what belongs to the audio."""
        if isinstance(event, SpeechChunk | SpeechTimings):
            self._chunks.append(event)
        if isinstance(event, SpeechChunk):
            self.size_bytes += len(event.data)
        if isinstance(event, StreamWarning) and event not in self._known:
            self._warnings.append(event)
        if isinstance(event, ContextEnded):
            self.finish = event.finish or self.finish

    def drop_audio(self) -> None:
        """Nobody will ask for the audio."""
        self._chunks.clear()

    def finished(self, ended: SessionEnded) -> FinishedAudio:
        """All of it, at the end of the session."""
        audio = b"".join(c.data for c in self._chunks if isinstance(c, SpeechChunk))
        return FinishedAudio(
            audio,
            tuple(self._chunks),
            ended.usage.audio_out_ms,
            tuple(self._warnings),
            self.finish,
        )
