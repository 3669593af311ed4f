"""Heartbeats of one worker: real inferences that say whether work can be expected to succeed."""

import asyncio
from collections.abc import Iterable

from speech.internal.v1 import worker_pb2 as pb
from speech_service.config import WorkerConfig
from speech_service.protocols import Observer
from speech_service.scheduler.remote.lifecycle import Lifecycle
from speech_service.scheduler.remote.link import WorkerLink

HEARTBEAT_SECONDS = "speech_worker_heartbeat_seconds"
MISSES_UNTIL_BAD = 2
"""A model that misses one heartbeat may just be busy with a long clip."""
MISSES_UNTIL_STUCK = 6
"""A model that finishes nothing for so many heartbeats will not come back."""


class HealthMonitor:
    """Asks for a heartbeat every ``heartbeat_interval_s`` and keeps the health up to date.

    Two things can be wrong. The process does not answer within ``heartbeat_timeout_s`` (stopped,
    hung, dead): it is lost. It answers that a model gave no result: the health turns bad, and the
    process is lost only when that does not pass.
    """

    def __init__(
        self, link: WorkerLink, config: WorkerConfig, lifecycle: Lifecycle, observer: Observer
    ) -> None:
        self._link = link
        self._config = config
        self._lifecycle = lifecycle
        self._observer = observer
        self._misses: dict[str, int] = {}

    async def run(self) -> str:
        """Watch until the worker is beyond hope; returns what is wrong with it."""
        while True:
            await asyncio.sleep(self._config.heartbeat_interval_s)
            try:
                response = await self._link.heartbeat(self._config.heartbeat_timeout_s)
            except (TimeoutError, ConnectionError):
                self._lifecycle.set_health(False)
                return "no heartbeat"
            record_metrics(self._observer, response.metrics)
            self._judge(response)
            if max(self._misses.values(), default=0) >= MISSES_UNTIL_STUCK:
                return "a model is stuck"

    def _judge(self, response: pb.HeartbeatResponse) -> None:
        self._misses = {
            beat.model: 0 if beat.ok else self._misses.get(beat.model, 0) + 1
            for beat in response.models
        }
        for beat in response.models:
            if beat.ok and beat.latency_ms:
                seconds = beat.latency_ms / 1000
                self._observer.observe(HEARTBEAT_SECONDS, seconds, model=beat.model)
        worst = max(self._misses.values(), default=0)
        self._lifecycle.set_health(worst < MISSES_UNTIL_BAD)


def record_metrics(observer: Observer, reports: Iterable[pb.MetricReport]) -> None:
    """Pass on what the worker measured."""
    for report in reports:
        labels = dict(report.labels)
        match report.WhichOneof("value"):
            case "count":
                observer.count(report.name, report.count, **labels)
            case "gauge":
                observer.gauge(report.name, report.gauge, **labels)
            case "observations":
                for value in report.observations.values:
                    observer.observe(report.name, value, **labels)
            case None:
                pass
