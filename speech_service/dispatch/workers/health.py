"""Heartbeats of one worker: real inferences that say whether work can be expected to succeed."""

import asyncio
import logging
from typing import Protocol

from speech_service.config.tree import WorkerConfig
from speech_service.dispatch.workers.lifecycle import Lifecycle
from speech_service.dispatch.workers.link import WorkerLink
from speech_service.dispatch.workers.messages import Beat, Beats, WorkerMetrics
from speech_service.effort import Effort, wait_fairly
from speech_service.protocols import Observer

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = "speech_worker_heartbeat_seconds"
INFERENCE_SHARE = 0.6
"""Of ``heartbeat_timeout_s``, how long the worker waits for its models before it answers as it is."""
MISSES_UNTIL_BAD = 2
"""A model or a worker that misses one heartbeat may just be busy."""
MISSES_UNTIL_LOST = 3
"""A worker that does not answer, although it had the time of so many heartbeats, is stopped or hangs."""
MISSES_UNTIL_STUCK = 12
"""A model that gets nothing done in the time of so many heartbeats will not come back. A clip of the longest kind
may take a good part of this in one step."""


class Watched(Protocol):
    """The process that is watched."""

    @property
    def pid(self) -> int:
        """Process id."""
        ...

    @property
    def loading(self) -> bool:
        """Whether it is loading a model."""
        ...


class HealthMonitor:
    """Asks for a heartbeat every ``heartbeat_interval_s`` and keeps the health up to date.

    Time is counted as ``effort.py`` says, never by the wall clock alone: a machine that gives the worker an eighth
    of a core makes it slow, and killing it makes it slower. Two things can be wrong. The process does not answer:
    stopped, hung, dead. While it loads a model, which may hold everything else up, it has as long for an answer as
    a start may take. Or it answers that a model finished no step: the health turns bad, and the process is lost
    only when that does not pass.
    """

    def __init__(
        self,
        link: WorkerLink,
        process: Watched,
        config: WorkerConfig,
        lifecycle: Lifecycle,
        observer: Observer,
    ) -> None:
        self._link = link
        self._process = process
        self._config = config
        self._lifecycle = lifecycle
        self._observer = observer
        self._effort = Effort(process.pid)
        self._failures: dict[str, int] = {}

    async def run(self) -> str:
        """Watch until the worker is beyond hope; returns what is wrong with it."""
        while True:
            await asyncio.sleep(self._config.heartbeat_interval_s)
            try:
                problem = await self._beat()
            except Exception:  # no reason to end a worker that works
                logger.exception("the worker's heartbeat cannot be judged")
                continue
            if problem:
                return problem

    async def _beat(self) -> str:
        look_s = self._config.heartbeat_timeout_s
        asking = asyncio.ensure_future(self._link.heartbeat(look_s * INFERENCE_SHARE))
        try:
            answered = await wait_fairly(
                asking, self._effort, self._answer_limit_s, look_s, self._on_overdue
            )
            response = await asking if answered else None
        except ConnectionError:
            response = None
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        if response is None:
            self._lifecycle.set_health(False)
            return "no heartbeat"
        record_metrics(self._observer, response.metrics)
        return self._judge(response)

    def _answer_limit_s(self) -> float:
        limit_s = MISSES_UNTIL_LOST * self._config.heartbeat_timeout_s
        return max(limit_s, self._config.start_timeout_s) if self._process.loading else limit_s

    def _on_overdue(self, chance_s: float) -> None:
        if chance_s >= MISSES_UNTIL_BAD * self._config.heartbeat_timeout_s:
            self._lifecycle.set_health(self._process.loading)

    def _judge(self, response: Beats) -> str:
        self._failures = {
            beat.model: 0 if beat.ok else self._failures.get(beat.model, 0) + 1
            for beat in response.models
        }
        for beat in response.models:
            if beat.ok and beat.latency_ms:
                seconds = beat.latency_ms / 1000
                self._observer.observe(HEARTBEAT_SECONDS, seconds, model=beat.model)
        misses = max((self._misses(beat) for beat in response.models), default=0.0)
        self._lifecycle.set_health(misses < MISSES_UNTIL_BAD)
        return "a model is stuck" if misses >= MISSES_UNTIL_STUCK else ""

    def _misses(self, beat: Beat) -> float:
        """How many heartbeats a model missed: those that failed, or that it had the time of and finished nothing."""
        stalled = beat.stalled_s / max(self._config.heartbeat_interval_s, 1e-3)
        return max(stalled, self._failures[beat.model])


def record_metrics(observer: Observer, metrics: WorkerMetrics) -> None:
    """Pass on what the worker measured."""
    for (name, labels), value in metrics.counts.items():
        observer.count(name, value, **dict(labels))
    for (name, labels), value in metrics.gauges.items():
        observer.gauge(name, value, **dict(labels))
    for (name, labels), values in metrics.observations.items():
        for value in values:
            observer.observe(name, value, **dict(labels))
