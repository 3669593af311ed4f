"""Composition root of a worker process: engines, scheduler, service, and the bond to its parent."""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial

from msgspec import structs

from speech_service.config.load import from_mapping
from speech_service.config.tree import (
    Config,
    ConfigError,
    ModelConfig,
    ObservabilityConfig,
    SchedulerConfig,
)
from speech_service.dispatch import metrics
from speech_service.dispatch.device import LanePlan, end_process, plan_lanes
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.record import WorkerRecord
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers import messages
from speech_service.dispatch.workers.codec import BrokenFrameError
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.domain.models import ModelState
from speech_service.engines import registry
from speech_service.engines.shared import SharedModels
from speech_service.observability.process_log import ProcessLog
from speech_service.protocols import Engine
from speech_service.signals import leave_the_end_to_the_parent
from speech_service.worker.answers import Answers
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.journal import JournaledEngine
from speech_service.worker.priority import Priority
from speech_service.worker.service import WorkerService
from speech_service.worker.telemetry import BufferingObserver

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    """Run a worker until its front end closes the connection."""
    parser = argparse.ArgumentParser(prog="speech_service.worker")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the connection")
    parser.add_argument("--record", type=int, required=True, help="descriptor of the record")
    handed = parser.parse_args(arguments)
    _die_with_parent()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print
    try:
        asyncio.run(_serve(socket.socket(fileno=handed.socket), WorkerRecord(handed.record)))
    except (ConfigError, BrokenFrameError, messages.MisfitError) as error:
        logger.error("worker cannot start: %s", error)
        return 2
    return 0


async def _serve(connection: socket.socket, record: WorkerRecord) -> None:
    """Meet the front end, then serve it.

    Raises:
        ConfigError: there is no serving under its configuration.
        BrokenFrameError: it sends what is no frame.
        MisfitError: it is of another release.
    """
    frames = await FrameSocket.over(connection)
    greeting = await frames.read()
    if greeting is None:
        return  # it is gone, or wants no worker any more
    config = from_mapping(messages.read_hello(greeting).config)
    log = ProcessLog(config.observability, capture=False)
    try:
        await _Worker(config, record, log).run(frames)
    finally:
        log.close()


class _Worker:
    """The parts of the process."""

    def __init__(self, config: Config, record: WorkerRecord, log: ProcessLog) -> None:
        """Raises ConfigError."""
        self._config = config
        self._record = record
        self._log = log
        self._priority = Priority(config.worker.nice)
        self._described = {(told := registry.describe(model)).name: told for model in config.models}
        if len(self._described) < len(config.models):
            raise ConfigError("models: two of them have the same name")
        self._models = dict(zip(self._described, config.models, strict=True))
        observer = BufferingObserver(skip=metrics.OUTCOME_METRICS)
        loop = asyncio.get_running_loop()
        on_lost = partial(end_process, write_log=log.close)
        self._scheduler = Scheduler({}, _unlimited(config.scheduler), observer, loop, on_lost)
        self._host = ModelHost(
            self._models,
            self._build,
            self._scheduler,
            self._on_loading,
            lambda name: self._plan(name).shared_by,
        )
        interval_s = config.worker.heartbeat_interval_s
        pulse = Pulse(self._host, self._scheduler, self._described, interval_s)
        answers = Answers(self._host, self._scheduler, pulse, observer)
        self._service = WorkerService(
            pulse, answers, config.worker.max_audio_bytes, self._change_log
        )

    async def run(self, frames: FrameSocket) -> None:
        """Say what is served, and serve it until the front end is gone."""
        gc.freeze()  # what start-up made lives as long as the process
        gc.set_threshold(20_000, 20, 20)
        preload = asyncio.create_task(self._preload())
        try:
            with contextlib.suppress(ConnectionError):  # it is gone; the service sees that too
                await frames.write(messages.encode_hello(tuple(self._described.values())))
            await self._service.run(frames)
        finally:
            preload.cancel()
            await self._scheduler.close()
            if ModelState.LOADING in self._host.states.values():
                os._exit(0)  # a load cannot be stopped, and nobody waits for it any more

    async def _preload(self) -> None:
        if self._config.worker.preload:
            loads = [self._host.load(name) for name in self._host.states]
            await asyncio.gather(*loads, return_exceptions=True)  # the host logs what fails

    def _build(self, name: str) -> list[Engine]:
        self._priority.keep_this_thread()
        return build_lanes(self._models[name], self._plan(name).count, self._record)

    def _plan(self, name: str) -> LanePlan:
        device = registry.device_of(self._models[name])
        return plan_lanes(device, self._config.scheduler.lanes)

    def _change_log(self, observability: ObservabilityConfig) -> None:
        self._log.change(observability)
        logger.info("the worker logs from level %s", observability.log_level)

    def _on_loading(self, count: int) -> None:
        self._record.set_loading(count)
        if not count:
            self._priority.lower()


def _unlimited(config: SchedulerConfig) -> SchedulerConfig:
    """The front end admitted the work already, and bounds what it sends: refusing it here would lose it."""
    return structs.replace(config, max_queued=sys.maxsize, max_queued_ms=sys.maxsize)


def build_lanes(model: ModelConfig, lanes: int, record: WorkerRecord) -> list[Engine]:
    """The engines of a model, one per lane. What they share is gone when the last of them is.

    Raises:
        ConfigError: the backend cannot be loaded; names the configuration key.
    """
    shared = SharedModels()
    return [JournaledEngine(registry.build_engine(model, shared), record) for _ in range(lanes)]


def _die_with_parent() -> None:
    """Have the system kill this process when its parent dies, however that happens.

    Signals that ask for an end often reach the whole group; the parent drains, and needs us for it.
    """
    leave_the_end_to_the_parent()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
