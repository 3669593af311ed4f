"""Spoken translations: every FINAL becomes speech, per language in the order of segments, one piece ahead.

Speech that fails costs its segment's audio and nothing else; what is not all of its text is warned of, once a segment.
"""

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from speech_service.domain.audio import Samples
from speech_service.domain.errors import CancelledWorkError
from speech_service.domain.events import (
    Cancel,
    Emit,
    SegmentInLanguage,
    SpeechSamples,
    StreamWarning,
    Submit,
    TranslatedSegment,
)
from speech_service.domain.synthesis import SPEECH_CUT, SynthesisOptions
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    TerminalEvent,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.sessions.recognition.session import SessionIdentity
from speech_service.sessions.synthesis.context import (
    SynthesisIdentity,
    is_cut,
    other_try,
    speech_work,
)
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
    end: TerminalEvent | None = None
    tried: int = 1
    held: list[WorkAudio] = field(default_factory=list[WorkAudio])
    """Audio that waits for the pieces before; with further tries, for its end."""


class SpokenTranslations:
    """Of one session. ``voices``: how each target is spoken. ``tries``: as those of ``SynthesisIdentity``."""

    def __init__(
        self, identity: SessionIdentity, voices: Mapping[str, SynthesisOptions], tries: int = 1
    ) -> None:
        self._identity = SynthesisIdentity(
            identity.session_id, identity.final_class, identity.deadline_s, tries=tries
        )
        self._voices = voices
        self._numbers = itertools.count(1)
        self._queues: dict[str, deque[_SpokenPiece]] = {language: deque() for language in voices}
        self._pieces: dict[str, _SpokenPiece] = {}
        self._notes: dict[str, list[StreamWarning]] = {language: [] for language in voices}
        """What is to be told of the segment that is spoken."""

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
        options = self._voices[language]
        splitter = SentenceSplitter(options.segmentation, language)
        for piece in splitter.push(text) + splitter.flush():
            if is_speakable(piece.text):
                work = speech_work(self._identity, self._new_work_id(), options, piece.text)
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
        if isinstance(event, WorkAudio):
            piece.held.append(event)
            return self._advance(piece.language)
        del self._pieces[event.work_id]
        if is_cut(event) and piece.tried < self._identity.tries:
            return [self._again(piece)]
        piece.end = event
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
            if head.end is not None or self._identity.tries == 1:
                actions += [self._spoken(head, a.samples, a.sample_rate_hz) for a in head.held]
                head.held.clear()
            if head.end is None:
                break
            queue.popleft()
            notes = self._notes[language]
            notes += [note for note in _notes(head, head.end) if note not in notes]
            if not queue or queue[0].segment_id != head.segment_id:
                actions += [Emit(note) for note in notes]
                notes.clear()
        for piece in itertools.islice(queue, MAX_AHEAD):
            if not piece.is_begun:
                piece.is_begun = True
                actions.append(self._submit(piece))
        return actions

    def _submit(self, piece: _SpokenPiece) -> TranslationAction:
        self._pieces[piece.work.work_id] = piece
        return Submit(piece.work)

    def _again(self, piece: _SpokenPiece) -> TranslationAction:
        """The model ran to its limit, and nobody has heard it yet."""
        piece.held.clear()
        voice = self._voices[piece.language]
        piece.work = other_try(piece.work, self._new_work_id(), voice, piece.tried)
        piece.tried += 1
        return self._submit(piece)

    def _spoken(
        self, piece: _SpokenPiece, samples: Samples, sample_rate_hz: int
    ) -> TranslationAction:
        options = self._voices[piece.language]
        owner = SegmentInLanguage(piece.segment_id, piece.language)
        return Emit(SpeechSamples(owner, samples, sample_rate_hz, options))

    def _new_work_id(self) -> str:
        return f"{self._identity.session_id}:s{next(self._numbers)}"


def _notes(piece: _SpokenPiece, end: TerminalEvent) -> list[StreamWarning]:
    """What a client is to be told of a piece that ended so."""
    what = f"segment {piece.segment_id} is not spoken whole in {piece.language}"
    if not (isinstance(end, WorkDone) and isinstance(end.outcome, SpeechMade)):
        given_up = CancelledWorkError("the work was given up")
        error = end.error if isinstance(end, WorkFailed) else given_up
        message = f"{what}: {error.message} ({error.reason})"
        return [StreamWarning("SPEECH_FAILED", "", message, cause=error)]
    notes: list[StreamWarning] = []
    if is_cut(end):
        notes.append(StreamWarning(SPEECH_CUT, "", f"{what}: the model was stopped at its limit"))
    if end.outcome.unspoken:
        message = f"{what}: some of it is nothing that the voice can say"
        notes.append(StreamWarning("UNSPOKEN_TEXT", "", message))
    return notes
