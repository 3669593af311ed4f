"""Composition root of a worker process: engines, scheduler, service, and the bond to its parent."""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TextIO

from msgspec import structs

from speech_service.config.load import from_mapping
from speech_service.config.tree import Config, ConfigError, ModelConfig, SchedulerConfig
from speech_service.dispatch import metrics
from speech_service.dispatch.device import lane_count
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.record import WorkerRecord
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers.frames import Frames
from speech_service.domain.models import ModelState
from speech_service.engines import registry
from speech_service.engines.shared import SharedModels
from speech_service.observability.process_log import ProcessLog
from speech_service.protocols import Engine
from speech_service.signals import leave_the_end_to_the_parent
from speech_service.tasks import log_failure
from speech_service.worker.calls import Calls
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.journal import JournaledEngine
from speech_service.worker.priority import Priority
from speech_service.worker.service import WorkerService
from speech_service.worker.telemetry import BufferingObserver

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
_MAX_LINE_BYTES = 1 << 24


def main(arguments: Sequence[str]) -> int:
    """Run a worker until its stdin ends. Configuration: a line of JSON on stdin."""
    parser = argparse.ArgumentParser(prog="speech_service.worker")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the connection")
    parser.add_argument("--record", type=int, required=True, help="descriptor of the record")
    handed = parser.parse_args(arguments)
    _die_with_parent()
    ready = _claim_stdout()
    try:
        config = from_mapping(json.loads(_first_line()))
    except (ConfigError, json.JSONDecodeError) as error:
        logger.error("worker cannot start: %s", error)
        return 2
    log = ProcessLog(config.observability, capture=False)
    try:
        asyncio.run(_serve(config, handed.socket, WorkerRecord(handed.record), ready, log))
    except ConfigError as error:
        logger.error("worker cannot start: %s", error)
        return 2
    finally:
        log.close()
    return 0


async def _serve(
    config: Config, connection: int, record: WorkerRecord, ready: TextIO, log: ProcessLog
) -> None:
    loop = asyncio.get_running_loop()
    described = {(told := registry.describe(model)).name: told for model in config.models}
    if len(described) < len(config.models):
        raise ConfigError("models: two of them have the same name")
    models = dict(zip(described, config.models, strict=True))
    observer = BufferingObserver(skip=metrics.OUTCOME_METRICS)
    scheduler = Scheduler({}, _unlimited(config.scheduler), observer, loop)
    priority = Priority(config.worker.nice)

    def build(name: str) -> list[Engine]:
        lanes = lane_count(registry.device_of(models[name]), config.scheduler.lanes)
        priority.keep_this_thread()
        return build_lanes(models[name], lanes, record)

    def on_loading(count: int) -> None:
        record.set_loading(count)
        if not count:
            priority.lower()

    host = ModelHost(models, build, scheduler, on_loading)
    pulse = Pulse(host, scheduler, described, config.worker.heartbeat_interval_s)
    calls = Calls(host, scheduler, pulse, observer)
    service = WorkerService(pulse, calls, config.worker.max_audio_bytes)
    frames = await Frames.over(socket.socket(fileno=connection))
    serving = asyncio.create_task(service.run(frames), name="worker-service")
    serving.add_done_callback(log_failure)
    gc.freeze()  # what start-up made lives as long as the process
    gc.set_threshold(20_000, 20, 20)
    preload = asyncio.create_task(_preload(host, config.worker.preload))
    ready.write(json.dumps({"ready": True, "pid": os.getpid()}) + "\n")
    ready.flush()
    await _stdin_end(log)
    preload.cancel()
    serving.cancel()
    await scheduler.close()
    if ModelState.LOADING in host.states.values():
        os._exit(0)  # a load cannot be stopped, and nobody waits for it any more


def _unlimited(config: SchedulerConfig) -> SchedulerConfig:
    """The front end admitted the work already, and bounds what it sends: refusing it here would lose it."""
    return structs.replace(config, max_queued=sys.maxsize, max_queued_ms=sys.maxsize)


async def _preload(host: ModelHost, wanted: bool) -> None:
    if wanted:
        loads = [host.load(name) for name in host.states]
        await asyncio.gather(*loads, return_exceptions=True)  # the host logs what fails


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


def _claim_stdout() -> TextIO:
    """Keep stdout for the line to the parent; what libraries print goes to stderr."""
    ready = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ready


def _first_line() -> bytes:
    """Read no more than it: what follows is for the event loop."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as unbuffered:
        return unbuffered.readline()


async def _stdin_end(log: ProcessLog) -> None:
    """Wait until the parent closes our stdin, or dies. Until then each line is the configuration as it is now."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(_MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        observability = from_mapping(json.loads(line)).observability
        log.change(observability)
        logger.info("the worker logs from level %s", observability.log_level)
