"""What a translation session owes its client, in order: translations by segment and target, and acks behind them."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from speech_service.domain.errors import LimitExceededError, SpeechError
from speech_service.domain.events import (
    ControlAck,
    Emit,
    StreamWarning,
    TranslatedSegment,
)
from speech_service.domain.transcript import ResultKind
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.recognition.session import MAX_OPEN_CONTROLS
from speech_service.sessions.translation.events import TranslationAction
from speech_service.sessions.translation.segment import SegmentInTargets


class TranslationOrder:
    """Segments and acks wait here until everything before them was sent."""

    def __init__(
        self, targets: tuple[str, ...], clock: Callable[[], float], latency: LatencyMeter
    ) -> None:
        self._targets = targets
        self._clock = clock
        self._latency = latency
        self._queue: deque[SegmentInTargets | ControlAck] = deque()
        self._last_final: int | None = None
        self.characters_out = 0

    @property
    def is_empty(self) -> bool:
        """Nothing is owed."""
        return not self._queue

    def add(self, segment: SegmentInTargets) -> None:
        """A segment is closed."""
        self._queue.append(segment)

    def acknowledge(self, ack: ControlAck) -> None:
        """An ack is due once everything before it was sent.

        Raises:
            LimitExceededError: too many wait.
        """
        if sum(isinstance(entry, ControlAck) for entry in self._queue) >= MAX_OPEN_CONTROLS:
            raise LimitExceededError("control_id", "max_open_controls", MAX_OPEN_CONTROLS)
        self._queue.append(ack)

    def due(self) -> list[TranslationAction]:
        """Everything that may be sent now."""
        due: list[TranslationAction] = []
        while self._queue:
            head = self._queue[0]
            if isinstance(head, ControlAck):
                due.append(Emit(replace(head, last_final_segment=self._last_final)))
            else:
                due += self._due_of(head)
                if head.sent < len(self._targets):
                    break
                self._last_final = max(self._last_final or 0, head.segment_id)
            self._queue.popleft()
        return due

    def last_words(self) -> list[TranslationAction]:
        """Translations that wait for those before them; acks keep waiting."""
        segments = [entry for entry in self._queue if isinstance(entry, SegmentInTargets)]
        return [
            action
            for segment in segments
            for target in self._targets[segment.sent :]
            if target in segment.outcomes
            for action in self._made(segment, target)
        ]

    def _due_of(self, segment: SegmentInTargets) -> list[TranslationAction]:
        due: list[TranslationAction] = []
        for target in self._targets[segment.sent :]:
            if target not in segment.outcomes:
                break
            segment.sent += 1
            due += self._made(segment, target)
        return due

    def _made(self, segment: SegmentInTargets, target: str) -> list[TranslationAction]:
        outcome = segment.outcomes[target]
        if isinstance(outcome, SpeechError):
            what = f"segment {segment.segment_id} has no translation into {target}"
            message = f"{what}: {outcome.message} ({outcome.reason})"
            return [Emit(StreamWarning("TRANSLATION_FAILED", "", message, cause=outcome))]
        now_s = self._clock()
        self._latency.result_sent(now_s)
        self._latency.final_sent((now_s - segment.closed_s) * 1000)
        self.characters_out += len(outcome)
        kind = ResultKind.FINAL
        event = TranslatedSegment(
            segment.segment_id, target, kind, outcome, segment.source, segment.char_end
        )
        return [Emit(event), *map(Emit, segment.notes.pop(target, ()))]
