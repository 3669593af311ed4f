"""Names of the scheduler's metrics, and the one place that turns the end of work into them."""

from collections.abc import Mapping

from speech_service.domain.errors import DeadlineError
from speech_service.domain.work import TerminalEvent, Work, WorkDone, WorkDropped, WorkFailed
from speech_service.protocols import Observer

QUEUE_DEPTH = "speech_queue_depth"
BATCH_OCCUPANCY = "speech_batch_occupancy"
STEP_SECONDS = "speech_engine_step_seconds"

QUEUE_WAIT_SECONDS = "speech_queue_wait_seconds"
WORK_TOTAL = "speech_work_total"
DECODE_STEPS_TOTAL = "speech_decode_steps_total"
DRAFT_TOKENS_TOTAL = "speech_draft_tokens_total"
WORK_DROPPED_TOTAL = "speech_work_dropped_total"

OUTCOME_METRICS = frozenset(
    {QUEUE_WAIT_SECONDS, WORK_TOTAL, DECODE_STEPS_TOTAL, DRAFT_TOKENS_TOTAL, WORK_DROPPED_TOTAL}
)
"""Recorded by whoever hands the event to the caller: a worker leaves them to the front end, so that
none is counted twice or lost with a crash.
"""

OF_A_WORKER = frozenset(
    {
        QUEUE_DEPTH,
        WORK_TOTAL,
        "speech_outbox_depth",
        "speech_worker_heartbeat_seconds",
        "speech_worker_restarts_total",
        "speech_worker_start_seconds",
        "speech_worker_state",
        "speech_worker_up",
    }
)
"""Metrics with the label ``worker``."""


class WorkerObserver:
    """An observer for one worker: adds its name where a metric is of each worker."""

    def __init__(self, observer: Observer, worker: str) -> None:
        self._observer = observer
        self._labels: Mapping[bool, Mapping[str, str]] = {True: {"worker": worker}, False: {}}

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        self._observer.count(name, value, **labels, **self._labels[name in OF_A_WORKER])

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one observation."""
        self._observer.observe(name, value, **labels, **self._labels[name in OF_A_WORKER])

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._observer.gauge(name, value, **labels, **self._labels[name in OF_A_WORKER])


def record_outcome(observer: Observer, work: Work, event: TerminalEvent) -> None:
    """Count the end of one work item."""
    label = work.work_class.name.lower()
    match event:
        case WorkDone(timing=timing):
            outcome = "done"
            observer.observe(QUEUE_WAIT_SECONDS, timing.queue_ms / 1000, **{"class": label})
            observer.count(DECODE_STEPS_TOTAL, timing.decode_steps)
            if timing.draft_proposed:
                rejected = timing.draft_proposed - timing.draft_accepted
                observer.count(DRAFT_TOKENS_TOTAL, timing.draft_accepted, outcome="accepted")
                observer.count(DRAFT_TOKENS_TOTAL, rejected, outcome="rejected")
        case WorkFailed(error=error):
            outcome = "expired" if isinstance(error, DeadlineError) else "failed"
        case WorkDropped(reason=reason):
            outcome = "dropped"
            observer.count(WORK_DROPPED_TOTAL, reason=reason.value)
    observer.count(WORK_TOTAL, 1.0, outcome=outcome, **{"class": label})
