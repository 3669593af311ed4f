"""When the words of a piece are spoken: what its model says or, where it does not say, what an aligner hears.

The aligner gets each piece with its audio. A context's timings leave in the order of its pieces, whatever order the
answers come in; one that holds others for too long is given up. A context ends only after the last answer. Where the
aligner fails, the speech stands and a warning says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from speech_service.domain.alignment import Alignment, UnalignedReason
from speech_service.domain.events import (
    Cancel,
    Emit,
    SpeechTimings,
    SpokenUnit,
    StreamWarning,
    Submit,
)
from speech_service.domain.synthesis import WORD_TIMINGS_UNAVAILABLE
from speech_service.domain.work import AlignWork, SegmentKey, SpeechMade, WorkDone, WorkEvent
from speech_service.sessions.in_order import AnswersInOrder
from speech_service.sessions.synthesis.context import SpeechContext, SpokenPiece, SynthesisIdentity
from speech_service.sessions.synthesis.events import SynthesisAction, SynthesisEvent

MAX_WAITING = 4
"""Pieces with the aligner; while there are more, no new ones are spoken."""
_CHANNEL = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    spoken: SpokenPiece
    start_ms: float
    """Where its audio begins in the context's."""


class SpokenWords:
    """The pieces of a session that are with the aligner."""

    def __init__(
        self,
        identity: SynthesisIdentity,
        new_work_id: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._new_work_id = new_work_id
        self._order = AnswersInOrder[SynthesisEvent](clock)
        self._waiting: dict[str, _Waiting] = {}
        self._segments = 0

    @property
    def has_room(self) -> bool:
        """Whether the aligner keeps up."""
        return len(self._waiting) < MAX_WAITING

    def spoken(self, spoken: SpokenPiece, made: SpeechMade) -> list[SynthesisAction]:
        """A piece was spoken to its end: tell of its words, or ask for them, if they are wanted."""
        options, identity = spoken.context.options, self._identity
        if spoken.recording is None:
            times = spoken.timings(made) if options.word_timings else None
            told: list[SynthesisAction] = [Emit(times)] if times is not None else []
            return self._order.tell(spoken.context.turn, told)
        self._segments += 1
        work = AlignWork(
            work_id=self._new_work_id(),
            stream_id=identity.session_id,
            work_class=identity.work_class,
            model=options.aligner,
            deadline_s=identity.deadline_s,
            segment=SegmentKey(identity.session_id, _CHANNEL, self._segments),
            samples=spoken.recording.finish(),
            text=spoken.piece.text,
            language=options.language,
        )
        start_ms = (spoken.first_sample or 0) * 1000 / made.sample_rate_hz
        self._waiting[work.work_id] = _Waiting(spoken, start_ms)
        self._order.ask(spoken.context.turn, work.work_id)
        spoken.context.aligning += 1
        return [Submit(work)]

    def owns(self, event: WorkEvent) -> bool:
        """Whether the event is of its work."""
        return event.work_id in self._waiting

    def work_event(self, event: WorkEvent) -> list[SynthesisAction]:
        """The aligner's answer; returns what may leave now."""
        waiting = self._waiting.pop(event.work_id)
        return self._answered(waiting, event.work_id, _told(waiting, event))

    def tick(self) -> list[SynthesisAction]:
        """Time passed: give up what others wait for too long."""
        actions: list[SynthesisAction] = []
        for work_id in self._order.late():
            waiting = self._waiting.pop(work_id)
            warning = _unavailable("the aligner's answer is too late")
            actions += [Cancel(work_id), *self._answered(waiting, work_id, [warning])]
        return actions

    def give_up(self, context: SpeechContext) -> list[SynthesisAction]:
        """Forget what is of the context."""
        gone = [i for i, waiting in self._waiting.items() if waiting.spoken.context is context]
        for work_id in gone:
            del self._waiting[work_id]
        context.aligning = 0
        self._order.forget(context.turn)
        return [Cancel(work_id) for work_id in gone]

    def last_words(self) -> list[SynthesisAction]:
        """Answers that wait for those before them."""
        return self._order.out_of_turn()

    def cancel(self) -> list[SynthesisAction]:
        """The session ends badly."""
        cancels: list[SynthesisAction] = [Cancel(work_id) for work_id in self._waiting]
        self._waiting.clear()
        self._order.clear()
        return cancels

    def _answered(
        self, waiting: _Waiting, work_id: str, told: list[SynthesisAction]
    ) -> list[SynthesisAction]:
        context = waiting.spoken.context
        context.aligning -= 1
        return self._order.answer(context.turn, work_id, told)


def _told(waiting: _Waiting, event: WorkEvent) -> list[SynthesisAction]:
    """What the client is told of an answer."""
    context = waiting.spoken.context
    if not isinstance(event, WorkDone):
        return [_unavailable("the aligner failed")]
    assert isinstance(event.outcome, Alignment), "alignment was asked for"
    units = _units(waiting, event.outcome)
    actions: list[SynthesisAction] = []
    if units:
        actions.append(Emit(SpeechTimings(context.owner, units)))
    lost = [span for span in event.outcome.unaligned if span.char_start < span.char_end]
    if any(span.reason is not UnalignedReason.NOT_SPEAKABLE for span in lost):
        problem = "a sentence has words that were not found in its speech"
        actions.append(_warning("WORD_TIMINGS_INCOMPLETE", problem))
    return actions


def _units(waiting: _Waiting, alignment: Alignment) -> tuple[SpokenUnit, ...]:
    piece, base_ms = waiting.spoken.piece, waiting.start_ms
    return tuple(
        SpokenUnit(
            piece.text[unit.char_start : unit.char_end],
            piece.char_start + unit.char_start,
            piece.char_start + unit.char_end,
            round(base_ms + unit.start_ms),
            round(base_ms + unit.end_ms),
        )
        for unit in alignment.units
    )


def _warning(reason: str, message: str) -> SynthesisAction:
    return Emit(StreamWarning(reason, "timing", message))


def _unavailable(why: str) -> SynthesisAction:
    return _warning(WORD_TIMINGS_UNAVAILABLE, f"a sentence has no word timings: {why}")
