"""Spoken translations: every FINAL becomes speech, per language in the order of segments, one piece ahead.

Speech that fails costs its segment's audio and nothing else.
"""

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.events import (
    Cancel,
    Emit,
    SegmentInLanguage,
    SpeechSamples,
    StreamWarning,
    Submit,
    TranslatedSegment,
)
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.work import SynthesizeWork, WorkAudio, WorkEvent, WorkFailed
from speech_service.sessions.recognition.session import SessionIdentity
from speech_service.sessions.translation.events import TranslationAction
from speech_service.sessions.translation.segment import MS_PER_CHARACTER
from speech_service.text.clean import is_speakable
from speech_service.text.sentences.cutter import SentenceSplitter

MAX_AHEAD = 2
"""Pieces of a language under way at once."""


@dataclass(slots=True, eq=False)
class _SpokenPiece:
    work: SynthesizeWork
    segment_id: int
    language: str
    is_begun: bool = False
    is_done: bool = False
    failure: SpeechError | None = None
    held: list[WorkAudio] = field(default_factory=list[WorkAudio])
    """Audio that waits for the pieces before."""


class SpokenTranslations:
    """Of one session. ``voices``: how each target is spoken."""

    def __init__(self, identity: SessionIdentity, voices: Mapping[str, SynthesisOptions]) -> None:
        self._identity = identity
        self._voices = voices
        self._numbers = itertools.count(1)
        self._queues: dict[str, deque[_SpokenPiece]] = {language: deque() for language in voices}
        self._pieces: dict[str, _SpokenPiece] = {}

    @property
    def is_empty(self) -> bool:
        """Everything was spoken."""
        return not any(self._queues.values())

    @property
    def waiting_ms(self) -> int:
        """Speech that waits to be made, about."""
        pieces = [p for queue in self._queues.values() for p in queue if not p.is_begun]
        return sum(len(p.work.text) for p in pieces) * MS_PER_CHARACTER

    def add(self, segment_id: int, language: str, text: str) -> list[TranslationAction]:
        """A translation is final."""
        if language not in self._voices:
            return []
        splitter = SentenceSplitter(language=language)
        for piece in splitter.push(text) + splitter.flush():
            if is_speakable(piece.text):
                work = self._work(self._voices[language], piece.text)
                self._queues[language].append(_SpokenPiece(work, segment_id, language))
        return self._advance(language)

    def follow(self, due: Sequence[TranslationAction]) -> list[TranslationAction]:
        """What is due, with the speech of the FINALs in it."""
        actions = list(due)
        for action in due:
            event = action.event if isinstance(action, Emit) else None
            if isinstance(event, TranslatedSegment):
                actions += self.add(event.segment_id, event.language, event.text)
        return actions

    def work_event(self, event: WorkEvent) -> list[TranslationAction] | None:
        """The outcome of work; None where it is not of this."""
        piece = self._pieces.get(event.work_id)
        if piece is None:
            return None
        queue = self._queues[piece.language]
        if isinstance(event, WorkAudio):
            if queue[0] is not piece:
                piece.held.append(event)
                return []
            return [self._spoken(piece, event.samples, event.sample_rate_hz)]
        del self._pieces[event.work_id]
        piece.is_done = True
        piece.failure = event.error if isinstance(event, WorkFailed) else None
        return self._advance(piece.language)

    def cancel(self) -> list[TranslationAction]:
        """Give everything up."""
        cancels: list[TranslationAction] = [Cancel(work_id) for work_id in self._pieces]
        self._pieces.clear()
        for queue in self._queues.values():
            queue.clear()
        return cancels

    def _advance(self, language: str) -> list[TranslationAction]:
        """Say what is due, and start what comes next."""
        queue, actions = self._queues[language], list[TranslationAction]()
        while queue:
            head = queue[0]
            actions += [self._spoken(head, a.samples, a.sample_rate_hz) for a in head.held]
            head.held.clear()
            if not head.is_done:
                break
            queue.popleft()
            if head.failure is not None:
                actions.append(_failed(head, head.failure))
        for piece in itertools.islice(queue, MAX_AHEAD):
            if not piece.is_begun:
                piece.is_begun = True
                self._pieces[piece.work.work_id] = piece
                actions.append(Submit(piece.work))
        return actions

    def _spoken(
        self, piece: _SpokenPiece, samples: Samples, sample_rate_hz: int
    ) -> TranslationAction:
        options = self._voices[piece.language]
        owner = SegmentInLanguage(piece.segment_id, piece.language)
        return Emit(SpeechSamples(owner, samples, sample_rate_hz, options))

    def _work(self, options: SynthesisOptions, text: str) -> SynthesizeWork:
        identity = self._identity
        return SynthesizeWork(
            work_id=f"{identity.session_id}:s{next(self._numbers)}",
            stream_id=identity.session_id,
            work_class=identity.final_class,
            model=options.model,
            deadline_s=identity.deadline_s,
            traceparent=identity.traceparent,
            text=text,
            voice=options.voice,
            language=options.language,
            speaking_rate=options.speaking_rate,
            seed=options.seed,
            lexicon=options.lexicon,
        )


def _failed(piece: _SpokenPiece, error: SpeechError) -> TranslationAction:
    what = f"segment {piece.segment_id} is not spoken whole in {piece.language}"
    message = f"{what}: {error.message} ({error.reason})"
    return Emit(StreamWarning("SPEECH_FAILED", "", message, cause=error))
