"""Word times: each FINAL goes to the aligner with its audio, and comes back once more as a REFINED result.

It is a gift, not a duty: where the aligner fails, is overloaded or lacks the language, the FINAL stands and a warning
says so. REFINED results of a channel, and the warnings that stand for them, leave in the order of its FINALs; one that
holds others for too long is given up. The session ends only after the last answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from speech_service.domain.alignment import AlignedUnit, Alignment, Granularity, UnalignedReason
from speech_service.domain.audio import Samples, samples_to_ms
from speech_service.domain.events import Cancel, Emit, StreamWarning, Submit
from speech_service.domain.recognition import Pacing, RecognitionOptions
from speech_service.domain.transcript import ResultKind, TranscriptResult, Word
from speech_service.domain.work import (
    AlignWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkTiming,
)
from speech_service.sessions.in_order import AnswersInOrder
from speech_service.sessions.recognition.events import RecognitionAction, RecognitionEvent
from speech_service.text import bcp47

MAX_PENDING_MS = 300_000
"""Audio of a live stream that may wait for the aligner; what comes then stays without word times."""


class _Meter(Protocol):
    def work_done(self, timing: WorkTiming) -> None: ...


@dataclass(frozen=True, slots=True)
class _Pending:
    final: TranscriptResult
    length_ms: int


class Refinement:
    """The FINALs of a session that are with the aligner.

    ``final_class``: that of the session's own finals. Of audio beyond ``bulk_after_ms`` the work is BACKGROUND.
    """

    def __init__(
        self,
        stream_id: str,
        new_work_id: Callable[[], str],
        final_class: WorkClass,
        deadline_s: float | None,
        meter: _Meter,
        clock: Callable[[], float],
        bulk_after_ms: int | None = None,
    ) -> None:
        self._stream_id = stream_id
        self._new_work_id = new_work_id
        self._class = WorkClass.BACKGROUND if final_class is WorkClass.STREAM_FINAL else final_class
        self._deadline_s = deadline_s
        self._meter = meter
        self._bulk_after_ms = bulk_after_ms
        self._order = AnswersInOrder[RecognitionEvent](clock)
        self._pending: dict[str, _Pending] = {}

    def __bool__(self) -> bool:
        """True while an answer is due."""
        return bool(self._pending)

    @property
    def pending_ms(self) -> int:
        """Audio that waits for the aligner."""
        return sum(pending.length_ms for pending in self._pending.values())

    def final(
        self, result: TranscriptResult, audio: Samples | None, options: RecognitionOptions
    ) -> list[RecognitionAction]:
        """A FINAL was sent: ask for its word times, if they are wanted."""
        if not options.aligner or audio is None or not len(audio) or not result.text.strip():
            return []
        language = result.language or options.language
        served = not language or bcp47.best_match(language, options.aligner_languages) is not None
        if not served:
            return self._without(result, "the aligner does not have its language")
        if options.pacing is Pacing.REALTIME and self.pending_ms > MAX_PENDING_MS:
            return self._without(result, "the aligner is too far behind")
        work = AlignWork(
            work_id=self._new_work_id(),
            stream_id=self._stream_id,
            work_class=self._class_of(result),
            model=options.aligner,
            deadline_s=self._deadline_s,
            segment=SegmentKey(self._stream_id, result.channel, result.segment_id),
            samples=audio,
            text=result.text,
            language=language,
            granularity=Granularity.WORD,
        )
        self._pending[work.work_id] = _Pending(result, samples_to_ms(len(audio)))
        self._order.ask(result.channel, work.work_id)
        return [Submit(work)]

    def owns(self, event: WorkEvent) -> bool:
        """Whether the event is of its work."""
        return event.work_id in self._pending

    def work_event(self, event: WorkEvent) -> list[RecognitionAction]:
        """The aligner's answer; returns what may leave now."""
        final = self._pending.pop(event.work_id).final
        return self._order.answer(final.channel, event.work_id, self._answer(final, event))

    def tick(self) -> list[RecognitionAction]:
        """Time passed: give up what others wait for too long."""
        actions: list[RecognitionAction] = []
        for work_id in self._order.late():
            final = self._pending.pop(work_id).final
            warning = _warning(final, "the aligner's answer is too late")
            actions += [Cancel(work_id), *self._order.answer(final.channel, work_id, [warning])]
        return actions

    def last_words(self) -> list[RecognitionAction]:
        """Answers that wait for those before them."""
        return self._order.out_of_turn()

    def cancel(self) -> list[RecognitionAction]:
        """The session ends badly."""
        cancels: list[RecognitionAction] = [Cancel(work_id) for work_id in self._pending]
        self._pending.clear()
        self._order.clear()
        return cancels

    def _class_of(self, final: TranscriptResult) -> WorkClass:
        is_bulk = self._bulk_after_ms is not None and final.start_ms >= self._bulk_after_ms
        return WorkClass.BACKGROUND if is_bulk else self._class

    def _without(self, final: TranscriptResult, why: str) -> list[RecognitionAction]:
        return self._order.tell(final.channel, [_warning(final, why)])

    def _answer(self, final: TranscriptResult, event: WorkEvent) -> list[RecognitionAction]:
        if not isinstance(event, WorkDone):
            return [_warning(final, "the aligner failed")]
        assert isinstance(event.outcome, Alignment), "alignment was asked for"
        self._meter.work_done(event.timing)
        words = words_of(final, event.outcome.units)
        if not words:
            return [_warning(final, "none of its words was found in its audio")]
        refined = replace(
            final, kind=ResultKind.REFINED, revision=final.revision + 1, words=words, lag_ms=None
        )
        spans = [s for s in event.outcome.unaligned if s.char_start < s.char_end]
        if not any(s.reason is not UnalignedReason.NOT_SPEAKABLE for s in spans):
            return [Emit(refined)]
        message = f"segment {final.segment_id} has words that were not found in its audio"
        warning = StreamWarning("WORD_TIMES_INCOMPLETE", "word_times", message)
        return [Emit(refined), Emit(warning)]


def words_of(final: TranscriptResult, units: Sequence[AlignedUnit]) -> tuple[Word, ...]:
    """The units as words with the punctuation around them, in the time of the session."""
    text, words = final.text, list[Word]()
    for index, unit in enumerate(units):
        floor = words[-1].char_end if words else 0
        limit = units[index + 1].char_start if index + 1 < len(units) else len(text)
        begin, end = unit.char_start, unit.char_end
        while end < limit and _joins(text[end]):
            end += 1
        while begin > floor and _joins(text[begin - 1]):
            begin -= 1
        start_ms = unit.start_ms + final.start_ms
        end_ms = max(start_ms + 1, unit.end_ms + final.start_ms)
        words.append(Word(text[begin:end], start_ms, end_ms, None, begin, end))
    return tuple(words)


def _joins(char: str) -> bool:
    """Punctuation that stands at a word without a space."""
    return not char.isspace() and not char.isalnum()


def _warning(final: TranscriptResult, why: str) -> RecognitionAction:
    message = f"segment {final.segment_id} has no word times: {why}"
    place = (final.start_ms, final.end_ms)
    return Emit(StreamWarning("WORD_TIMES_UNAVAILABLE", "word_times", message, *place))
