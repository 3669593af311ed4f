"""The translation session: the state machine behind StreamingTranslate and TranslateSpeech.

Text comes from the client, or from a recognition session that this one owns. Rules held here:
- every closed segment yields one FINAL per target, or one warning where it could not be translated; FINALs leave in
  the order of segments, then of targets;
- what was recognized is passed on at once and never waits for, or falls with, its translation;
- acks leave after the translations of every segment closed before them, the end after the last one.
"""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import overload

from speech_service.domain.audio import AudioLoss, Samples
from speech_service.domain.errors import InvalidOptionError, SpeechError, UnexpectedInputError
from speech_service.domain.events import (
    Cancel,
    ControlAck,
    ControlKind,
    Emit,
    Finish,
    GoingAway,
    Progress,
    SessionEnded,
    SessionStarted,
    StreamWarning,
    Submit,
    Usage,
)
from speech_service.domain.resume import BEGINNING, ResumePoint
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.translation import LanguageGuess
from speech_service.domain.work import LanguagesFound, WorkDone, WorkEvent
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.lost_audio import LostAudio
from speech_service.sessions.recognition.session import RecognitionSession, SessionIdentity
from speech_service.sessions.translation.events import TranslationAction, TranslationStep
from speech_service.sessions.translation.order import TranslationOrder
from speech_service.sessions.translation.partials import GrowingTranslations
from speech_service.sessions.translation.segment import SegmentInTargets
from speech_service.sessions.translation.speech import SpokenTranslations
from speech_service.sessions.translation.work import (
    Route,
    TranslationOptions,
    WorkMaker,
    already_there,
    failure,
    translation_of,
)
from speech_service.text.clean import has_words
from speech_service.text.script import guess_by_script
from speech_service.text.sentences.cutter import SentencePiece, SentenceSplitter

MAX_OPEN_SEGMENTS = 8
"""Segments whose translation is under way at once; the others wait in the session, not in the scheduler's queue."""
SURE = 0.5
"""A guess below it gives way to the language of the segments before."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a work item is for. ``target`` empty: to find the source."""

    segment: SegmentInTargets
    target: str


class TranslationSession:
    """One stream. With ``recognition`` it takes audio, else text.

    Every method returns the actions to carry out, in order. After ``Finish`` nothing more is returned. ``route`` says
    who translates a pair, and raises ``SpeechError`` where nobody does. ``resume``: where ``recognition`` goes on.
    """

    def __init__(
        self,
        identity: SessionIdentity,
        options: TranslationOptions,
        route: Route,
        clock: Callable[[], float],
        recognition: RecognitionSession | None = None,
        resume: ResumePoint = BEGINNING,
    ) -> None:
        self._identity = identity
        self._options = options
        self._route = route
        self._clock = clock
        self._recognition = recognition
        self._resume = resume
        self._splitter = SentenceSplitter(language=options.source_language)
        self._rest_at_s: float | None = None
        """When a sentence that is finished is translated, unless more text comes before."""
        self._work = WorkMaker(identity, options, route)
        self._segment_ids = itertools.count(1)
        self._next_segment_id = next(self._segment_ids)
        self._waiting: deque[SegmentInTargets] = deque()
        self._running: set[SegmentInTargets] = set()
        self._jobs: dict[str, _Job] = {}
        self._finding: deque[SegmentInTargets] = deque()
        """Segments whose language is being found, in their order."""
        self._last_source = resume.source_language
        self._ending = False
        self._done = False
        self._latency = LatencyMeter(clock, None if recognition is None else recognition.work_times)
        self._cut_from = 0
        """Where the text that the splitter has begins in all text that came."""
        self._characters_in = sum(len(held.text) for held in resume.untranslated)
        self._order = TranslationOrder(options.targets, clock, self._latency)
        self._speech = SpokenTranslations(identity, options.voices, options.speech_tries)
        self._growing = GrowingTranslations(options.targets, self._work, route)
        self._lost = LostAudio(resume.from_ms)

    # --- what the driver may ask ---

    @property
    def undecoded_ms(self) -> int:
        """Audio and text that wait for the device."""
        audio_ms = self._recognition.undecoded_ms if self._recognition else 0
        text_ms = sum(segment.weight_ms for segment in self._waiting)
        return audio_ms + text_ms + self._speech.waiting_ms

    @property
    def recognition(self) -> RecognitionSession:
        """The session that hears the audio.

        Raises:
            InvalidOptionError: the stream was opened for text.
        """
        if self._recognition is None:
            problem = "is missing, and the stream carries audio"
            raise InvalidOptionError("recognition", problem, "a RecognitionConfig")
        return self._recognition

    @property
    def wake_at_s(self) -> float | None:
        """When to be woken: as the session that recognizes asks for it, or when a finished sentence has rested."""
        if self._done:
            return None
        return self._rest_at_s if self._recognition is None else self._recognition.wake_at_s

    # --- from the client ---

    def start(self) -> list[TranslationAction]:
        """Open the session; what an earlier call left without translations gets them first."""
        started: list[TranslationAction] = [Emit(SessionStarted(self._identity.session_id))]
        for held in self._resume.untranslated:
            source = self._options.source_language or held.language
            started += self._close(held.segment_id, held.text, source)
        return self._settle(started)

    def audio(self, samples: Samples) -> Sequence[TranslationStep]:
        """Take audio: float32 [n, channels] at 16 kHz."""
        return self._forward(self.recognition.audio(samples))

    def catch_up(self) -> Sequence[TranslationStep]:
        """Detect in the audio that waits, as the session that recognizes asks for it."""
        return self._recognition.catch_up() if self._recognition and not self._done else []

    def text(self, text: str) -> list[TranslationAction]:
        """Take text, joined to what came before.

        Raises:
            InvalidOptionError: after the end of the input, or the stream carries audio.
        """
        if self._done:
            return []
        self._ready("text")
        if self._recognition is not None:
            problem = "came on a stream that was opened for audio"
            allowed = "audio, or a config without recognition"
            raise UnexpectedInputError("text", problem, allowed, reason="INVALID_FIELD")
        self._latency.speech_began(self._clock())
        self._characters_in += len(text)
        actions = self._cut_all(self._splitter.push(text))
        self._await_pause()
        return self._settle([*actions, *self._show_open()])

    def _await_pause(self) -> None:
        pause_s = self._options.sentence_pause_ms * self._splitter.pauses_to_rest / 1000
        self._rest_at_s = self._clock() + pause_s if pause_s else None

    def finalize(self, control_id: str) -> list[TranslationAction]:
        """End the open segments now; the ack follows their translations."""
        if self._done:
            return []
        if self._recognition is not None:
            return self._forward(self._recognition.finalize(control_id))
        self._ready("finalize")
        actions = self._flush()
        self._order.acknowledge(ControlAck(control_id, ControlKind.FINALIZE))
        return self._settle(actions)

    def reset(self, control_id: str, keep_context: bool) -> list[TranslationAction]:
        """Forget the open segments; closed ones are still translated."""
        if self._done:
            return []
        if self._recognition is not None:
            actions = self._growing.drop()
            return [*actions, *self._forward(self._recognition.reset(control_id, keep_context))]
        self._ready("reset")
        self._splitter = SentenceSplitter(language=self._options.source_language)
        self._cut_from, self._rest_at_s = self._characters_in, None
        self._order.acknowledge(ControlAck(control_id, ControlKind.RESET))
        return self._settle(self._growing.drop())

    def refuse(
        self, kind: ControlKind, control_id: str, error: SpeechError, context_id: str = ""
    ) -> list[TranslationAction]:
        """Acknowledge, in its turn, a control message that is not carried out."""
        del context_id
        if self._done:
            return []
        if self._recognition is not None:
            return self._forward(self._recognition.refuse(kind, control_id, error))
        self._ready(kind.value)
        self._order.acknowledge(ControlAck(control_id, kind, error=error))
        return self._settle([])

    def end_of_input(self) -> list[TranslationAction]:
        """No more input: translate what is buffered, then end. Saying it twice is harmless."""
        if self._done or self._ending:
            return []
        if self._recognition is not None:
            return self._forward(self._recognition.end_of_input())
        actions = self._flush()
        self._ending = True
        return self._settle(actions)

    # --- from the driver ---

    def probabilities(self, probabilities: Samples) -> list[TranslationAction]:
        """The answer to the oldest open ``Detect``."""
        return self._forward(self.recognition.probabilities(probabilities))

    def work_event(self, event: WorkEvent) -> list[TranslationAction]:
        """The outcome of submitted work."""
        if self._done:
            return []
        spoken = self._speech.work_event(event)
        if spoken is not None:
            return self._settle(spoken)
        shown = self._growing.work_event(event)
        if shown is not None:
            return shown
        job = self._jobs.pop(event.work_id, None)
        if job is None:
            return self._forward(self._recognition.work_event(event)) if self._recognition else []
        if isinstance(event, WorkDone):
            self._latency.work_done(event.timing)
        if job.target:
            self._translated(job.segment, job.target, event)
            return self._settle([])
        return self._settle(self._identified(job.segment, event))

    def delivered(self) -> list[TranslationAction]:
        """The end of a session that speaks went out, behind all that was spoken."""
        return [Finish()] if self._done else []

    def wake(self) -> Sequence[TranslationStep]:
        """It is as late as was asked for: text that has paused is translated as far as it is finished."""
        if self._recognition is not None:
            return self._forward(self._recognition.wake())
        if self._done or self._rest_at_s is None or self._clock() < self._rest_at_s:
            return []
        actions = self._cut_all(self._splitter.rest())
        self._await_pause()
        return self._settle([*actions, *self._show_open()])

    def tick(self) -> list[TranslationAction]:
        """Time passed: report progress, and give up where recognition does."""
        if self._done:
            return []
        if self._recognition is None:
            return [Emit(Progress(0, 0, 0, 0))]
        if self._recognition.done:
            return [Emit(self._recognition.progress())]
        return self._forward(self._recognition.tick())

    def warn(self, warning: StreamWarning) -> list[TranslationAction]:
        """Tell the client something that is no error."""
        return [] if self._done else [Emit(warning)]

    def lost(self, loss: AudioLoss, passed_ms: int) -> None:
        """As of ``RecognitionSession``: told once everything is translated."""
        self._lost.add(loss, self.recognition.progress().received_ms - passed_ms)

    def going_away(self, drain_ms: int) -> list[TranslationAction]:
        """The server drains: what was received is still translated."""
        return [] if self._done else [Emit(GoingAway(drain_ms))]

    def last_words(self) -> list[TranslationAction]:
        """What was recognized or translated and waits for what was not. ``fail`` comes next."""
        if self._done:
            return []
        heard = self._recognition.last_words() if self._recognition else []
        return [*heard, *self._order.last_words()]

    def fail(self, error: SpeechError) -> list[TranslationAction]:
        """End with an error; all work is given up."""
        if self._done:
            return []
        self._done = True
        inner = self._recognition.fail(error) if self._recognition else []
        cancels = [
            *self._growing.drop(),
            *self._speech.cancel(),
            *(Cancel(work_id) for work_id in self._jobs),
        ]
        self._jobs.clear()
        return [*(a for a in inner if isinstance(a, Cancel)), *cancels, Finish(error)]

    def ended(self) -> SessionEnded:
        """Usage and latency so far."""
        usage = Usage(characters_in=self._characters_in, characters_out=self._order.characters_out)
        if self._recognition is None:
            return SessionEnded(usage, self._latency.summary())
        heard = self._recognition.ended()
        characters = heard.usage.characters_out + self._order.characters_out
        used = replace(heard.usage, characters_in=self._characters_in, characters_out=characters)
        return SessionEnded(used, heard.latency)

    # --- the source ---

    @overload
    def _forward(self, actions: Sequence[TranslationAction]) -> list[TranslationAction]: ...

    @overload
    def _forward(self, actions: Sequence[TranslationStep]) -> Sequence[TranslationStep]: ...

    def _forward(self, actions: Sequence[TranslationStep]) -> Sequence[TranslationStep]:
        """Actions of the recognition session, with what they mean for the translation."""
        if self._done:
            return []
        kept: list[TranslationStep] = []
        for action in actions:
            match action:
                case Emit(ControlAck() as ack):
                    self._order.acknowledge(ack)
                case Emit(SessionEnded()):
                    continue  # sent when the last translation is
                case Emit(TranscriptResult() as result):
                    kept += [action, *self._heard(result)]
                case Finish(None):
                    self._ending = True
                case Finish(SpeechError() as error):
                    return [*kept, *self.fail(error)]
                case _:
                    kept.append(action)
        return [*kept, *self._settle([])]

    def _heard(self, result: TranscriptResult) -> list[TranslationAction]:
        source = self._options.source_language or result.language
        if result.kind is ResultKind.FINAL:
            return self._close(result.segment_id, result.text, source)
        if result.kind is ResultKind.PARTIAL and self._options.partials:
            return self._growing.grow(result.segment_id, result.text, source or self._last_source)
        return []

    def _cut(self, piece: SentencePiece) -> list[TranslationAction]:
        """A piece of the client's text is complete."""
        text, char_end = piece.text.strip(), self._cut_from + piece.char_end
        if not text:
            return []
        segment_id, self._next_segment_id = self._next_segment_id, next(self._segment_ids)
        return self._close(segment_id, text, self._options.source_language, char_end)

    def _cut_all(self, pieces: Sequence[SentencePiece]) -> list[TranslationAction]:
        return [action for piece in pieces for action in self._cut(piece)]

    def _flush(self) -> list[TranslationAction]:
        self._rest_at_s = None
        return self._cut_all(self._splitter.flush())

    def _ready(self, kind: str) -> None:
        if self._ending:
            allowed = "nothing after end_of_input"
            raise UnexpectedInputError(kind, "came after end_of_input", allowed)

    # --- segments ---

    def _close(
        self, segment_id: int, text: str, source: str, char_end: int | None = None
    ) -> list[TranslationAction]:
        segment = SegmentInTargets(segment_id, text, source, self._clock(), char_end)
        self._order.add(segment)
        if has_words(text):
            self._waiting.append(segment)
        else:
            segment.outcomes = dict.fromkeys(self._options.targets, text)
        return self._growing.close(segment_id)

    def _begin(self, segment: SegmentInTargets) -> list[TranslationAction]:
        """Start on a segment: find its source, or translate it."""
        self._running.add(segment)
        if segment.source:
            return self._translate(segment)
        if not self._options.identifier:
            self._take_guesses(segment, guess_by_script(segment.text))
            return self._translate(segment)
        work = self._work.identify(segment.text)
        self._jobs[work.work_id] = _Job(segment, "")
        self._finding.append(segment)
        return [Submit(work)]

    def _identified(self, segment: SegmentInTargets, event: WorkEvent) -> list[TranslationAction]:
        """A segment that cannot tell takes the language of the one before, so answers are taken in that order."""
        segment.guesses = guess_by_script(segment.text)
        if isinstance(event, WorkDone) and isinstance(event.outcome, LanguagesFound):
            segment.guesses = event.outcome.guesses[0]
        actions: list[TranslationAction] = []
        while self._finding and self._finding[0].guesses is not None:
            found = self._finding.popleft()
            self._take_guesses(found, found.guesses or ())
            actions += self._translate(found)
        return actions

    def _take_guesses(self, segment: SegmentInTargets, guesses: Sequence[LanguageGuess]) -> None:
        best = guesses[0] if guesses else None
        if best is not None and (not self._last_source or (best.probability or 1.0) >= SURE):
            segment.source = self._last_source = best.code
        else:
            segment.source = self._last_source

    def _translate(self, segment: SegmentInTargets) -> list[TranslationAction]:
        self._last_source = segment.source or self._last_source
        actions: list[TranslationAction] = []
        for target in self._options.targets:
            try:
                if already_there(self._route, segment.source, target):
                    segment.outcomes[target] = segment.text
                    continue
                work = self._work.translate(segment.text, segment.source, target)
            except SpeechError as error:
                segment.outcomes[target] = error
                continue
            self._jobs[work.work_id] = _Job(segment, target)
            actions.append(Submit(work))
        return actions

    def _translated(self, segment: SegmentInTargets, target: str, event: WorkEvent) -> None:
        made = translation_of(event)
        if made is None:
            segment.outcomes[target] = failure(event)
            return
        segment.outcomes[target] = made.texts[0].strip()
        what = f"segment {segment.segment_id}"
        segment.notes[target] = [
            StreamWarning(
                "GLOSSARY_TERM_LOST",
                f"glossary[{term.glossary_index}]",
                what + ": {option} is not kept",
            )
            for term in made.lost_terms
        ]
        if made.changed:
            problem = (
                f"{what}: not every number, sign or placeholder is in the translation into {target}"
            )
            segment.notes[target].append(StreamWarning("CONTENT_CHANGED", "", problem))

    def _show_open(self) -> list[TranslationAction]:
        pending = self._splitter.pending.strip()
        if not self._options.partials or not pending:
            return []
        source = self._options.source_language or self._last_source
        return self._growing.grow(self._next_segment_id, pending, source)

    # --- order ---

    def _settle(self, actions: list[TranslationAction]) -> list[TranslationAction]:
        """Add what has become due: translations, acks, the start of waiting segments, the end."""
        settled = list(actions)
        while True:
            settled += self._speech.follow(self._order.due())
            self._running = {
                s for s in self._running if len(s.outcomes) < len(self._options.targets)
            }
            if not self._waiting or len(self._running) >= MAX_OPEN_SEGMENTS:
                break
            settled += self._begin(self._waiting.popleft())
        if self._ending and self._order.is_empty and self._speech.is_empty:
            self._done = True
            settled += [*self._growing.drop(), *self._lost.warnings(), Emit(self.ended())]
            settled += [] if self._options.voices else [Finish()]  # speech is still encoded
        return settled
