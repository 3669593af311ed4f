"""The bounded queue in front of the lanes: classes, places in line, superseding, deadlines, limits.

Not thread-safe and without a clock of its own: the caller holds the lock and says what time it is
(seconds of ``time.monotonic``), which makes every rule here testable without threads or sleeping.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.policy import Waiting
from speech_service.domain.errors import DeadlineError, OverloadedError
from speech_service.domain.work import (
    DropReason,
    SegmentKey,
    SynthesizeWork,
    Work,
    WorkClass,
    WorkDropped,
    WorkFailed,
)

MIN_RETRY_MS = 100
MAX_RETRY_MS = 30_000
RATE_WINDOW_ITEMS = 64
_REFUSABLE = (WorkClass.STREAM_PARTIAL, WorkClass.UNARY)


@dataclass(frozen=True, slots=True)
class Queued:
    """A work item that waits. ``waiting_since_s`` is that of its place in line, which a newer
    partial inherits.
    """

    work: Work
    audio_ms: int
    enqueued_s: float
    waiting_since_s: float
    place: int

    @property
    def ahead_ms(self) -> int:
        """Speech that came before it to its listener, when it was asked for."""
        return self.work.ahead_ms if isinstance(self.work, SynthesizeWork) else 0

    @property
    def needed_s(self) -> float:
        """When somebody is without it."""
        return self.waiting_since_s + self.ahead_ms / 1000


@dataclass(frozen=True, slots=True)
class ClassStats:
    """What waits in one class: items, and milliseconds of audio."""

    depth: int = 0
    audio_ms: int = 0


class WorkQueue:
    """First in, first out inside each class of each model; in STREAM_FINAL what is needed first.

    A newer partial of a segment takes the place of the one that waits, so a busy stream neither
    piles up work nor is sent to the back of the line with every update. A final removes the waiting
    partial of its segment.
    """

    def __init__(self, config: SchedulerConfig) -> None:
        self._config = config
        self._lines: dict[tuple[str, WorkClass], OrderedDict[int, Queued]] = {}
        self._by_id: dict[str, Queued] = {}
        self._partials: dict[SegmentKey, str] = {}
        self._deadlines: list[tuple[float, str]] = []
        self._counted = 0
        self._audio_ms = 0
        self._moved_s: dict[str, float] = {}
        """When BACKGROUND work of a model was last taken."""
        self._next_place = 0
        self._taken_s: deque[float] = deque(maxlen=RATE_WINDOW_ITEMS)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, work_id: object) -> bool:
        return work_id in self._by_id

    def put(self, work: Work, now_s: float, force: bool = False) -> WorkDropped | None:
        """Queue the work; returns the event of the partial that gave way to it, if one did.

        ``force`` is for work that was accepted before and comes back: no limit refuses it.

        Raises:
            OverloadedError: the queue is full. Never for a streaming final, nor for BACKGROUND work, which takes
                no room from others: limits on calls and back-pressure of files bound it.
        """
        old = None
        if work.supersedes is not None:
            old = self._by_id.get(self._partials.get(work.supersedes, ""))
        audio_ms = work.cost_ms
        if not force and work.work_class in _REFUSABLE:
            self._check_room(audio_ms, old, now_s)
        place, since_s = self._next_place, now_s
        self._next_place += 1
        if old is not None:
            inherits = (
                work.supersede_key == old.work.supersede_key
                and work.work_class is old.work.work_class
                and work.model == old.work.model
            )
            if inherits:
                place, since_s = old.place, old.waiting_since_s
            self._forget(old, keep_place=inherits)
        self._keep(Queued(work, audio_ms, now_s, since_s, place))
        return None if old is None else WorkDropped(old.work.work_id, DropReason.SUPERSEDED)

    def remove(self, work_id: str) -> Queued | None:
        """Take the item out without running it; None when it does not wait here."""
        item = self._by_id.get(work_id)
        if item is not None:
            self._forget(item)
        return item

    def take(self, work_id: str, now_s: float) -> Queued:
        """Take the item out to run it.

        Raises:
            KeyError: no such item waits.
        """
        item = self._by_id[work_id]
        self._forget(item)
        self._taken_s.append(now_s)
        if item.work.work_class is WorkClass.BACKGROUND:
            self._moved_s[item.work.model] = now_s
        return item

    def expire(self, now_s: float) -> list[WorkFailed]:
        """Remove every item whose deadline has passed."""
        failed: list[WorkFailed] = []
        while self._deadlines and self._deadlines[0][0] <= now_s:
            item = self._by_id.get(heapq.heappop(self._deadlines)[1])
            if item is not None:
                self._forget(item)
                error = DeadlineError("the deadline passed while the work was waiting")
                failed.append(WorkFailed(item.work.work_id, error))
        return failed

    def next_deadline_s(self) -> float | None:
        """The earliest deadline of a waiting item."""
        while self._deadlines and self._deadlines[0][1] not in self._by_id:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def has(self, model: str, classes: Iterable[WorkClass] = WorkClass) -> bool:
        """Whether anything waits for ``model``, of these classes."""
        return any(self._lines.get((model, work_class)) for work_class in classes)

    def heads(self, model: str, limit: int, now_s: float) -> list[Waiting]:
        """The first ``limit`` items of each class, of STREAM_FINAL those that are needed first: all that a decision
        about ``limit`` places can depend on.
        """
        heads: list[Waiting] = []
        for work_class in WorkClass:
            line = self._lines.get((model, work_class))
            moved_s = self._moved_s.get(model) if work_class is WorkClass.BACKGROUND else None
            for item in _first(line, work_class, limit) if line else ():
                since_s = max(item.waiting_since_s, moved_s or item.waiting_since_s)
                age_ms = (now_s - since_s) * 1000
                heads.append(Waiting(item.work.work_id, work_class, age_ms, item.ahead_ms))
        return heads

    def models(self) -> set[str]:
        """Models that something waits for."""
        return {model for model, _ in self._lines}

    def work_ids(self, model: str | None = None) -> list[str]:
        """Ids of everything that waits (for ``model``), in order of class and place."""
        return [
            item.work.work_id
            for work_class in WorkClass
            for (name, line_class), line in self._lines.items()
            if line_class is work_class and model in (None, name)
            for item in line.values()
        ]

    def stats(self) -> dict[WorkClass, ClassStats]:
        """What waits, for each class."""
        table: dict[WorkClass, ClassStats] = {}
        for work_class in WorkClass:
            lines = [line for (_, c), line in self._lines.items() if c is work_class and line]
            table[work_class] = ClassStats(
                depth=sum(len(line) for line in lines),
                audio_ms=sum(item.audio_ms for line in lines for item in line.values()),
            )
        return table

    def depth(self, work_class: WorkClass) -> int:
        """Items that wait in the class, all models together."""
        return sum(len(line) for (_, c), line in self._lines.items() if c is work_class)

    def retry_after_ms(self, now_s: float) -> int:
        """When half of the queue will have drained, at the pace of the last items taken."""
        if len(self._taken_s) < 2 or now_s <= self._taken_s[0]:
            return 1000
        items_per_s = len(self._taken_s) / (now_s - self._taken_s[0])
        return round(min(MAX_RETRY_MS, max(MIN_RETRY_MS, len(self) / 2 / items_per_s * 1000)))

    def _check_room(self, audio_ms: int, old: Queued | None, now_s: float) -> None:
        gives_way = old is not None and _counts(old)
        count = self._counted + (0 if gives_way else 1)
        total_ms = (
            self._audio_ms + audio_ms - (old.audio_ms if old is not None and gives_way else 0)
        )
        limits = (
            ("max_queued", count, self._config.max_queued),
            ("max_queued_ms", total_ms, self._config.max_queued_ms),
        )
        for name, value, limit in limits:
            if value > limit:
                raise OverloadedError(
                    "the queue is full; try again later",
                    retry_after_ms=self.retry_after_ms(now_s),
                    metadata={name: str(limit)},
                )

    def _keep(self, item: Queued) -> None:
        work = item.work
        line = self._lines.setdefault((work.model, work.work_class), OrderedDict())
        line[item.place] = item
        self._by_id[work.work_id] = item
        if _counts(item):
            self._counted += 1
            self._audio_ms += item.audio_ms
        if work.supersede_key is not None:
            self._partials[work.supersede_key] = work.work_id
        if work.deadline_s is not None:
            heapq.heappush(self._deadlines, (work.deadline_s, work.work_id))
            self._compact_deadlines()

    def _forget(self, item: Queued, keep_place: bool = False) -> None:
        """Remove the item. With ``keep_place`` its successor overwrites its place at once."""
        work = item.work
        del self._by_id[work.work_id]
        if _counts(item):
            self._counted -= 1
            self._audio_ms -= item.audio_ms
        if work.supersede_key is not None:
            self._partials.pop(work.supersede_key, None)
        if not keep_place:
            line = self._lines[work.model, work.work_class]
            del line[item.place]
            if not line:
                del self._lines[work.model, work.work_class]

    def _compact_deadlines(self) -> None:
        """Entries of removed items stay in the heap until they surface; do not let them pile up."""
        if len(self._deadlines) > 2 * len(self._by_id) + 64:
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._by_id]
            heapq.heapify(self._deadlines)


def _first(line: Mapping[int, Queued], work_class: WorkClass, limit: int) -> Iterable[Queued]:
    if work_class is WorkClass.STREAM_FINAL:
        return heapq.nsmallest(limit, line.values(), key=lambda item: item.needed_s)
    return islice(line.values(), limit)


def _counts(item: Queued) -> bool:
    """Whether the item takes room from others that may be refused."""
    return item.work.work_class is not WorkClass.BACKGROUND
