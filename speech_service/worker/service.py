"""The internal service of a worker: the stream of work, and the calls beside it."""

import asyncio
import contextlib
import itertools
import logging
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import grpc
import grpc.aio

from speech.internal.v1 import worker_pb2 as pb
from speech.internal.v1 import worker_pb2_grpc as pb_grpc
from speech.v1 import common_pb2, model_service_pb2
from speech_service.config import WorkerConfig
from speech_service.domain.errors import ResourceNotFoundError, SpeechError
from speech_service.domain.models import ModelCapabilities, ModelKind, ModelState
from speech_service.scheduler.model_host import ModelHost
from speech_service.scheduler.remote import wire
from speech_service.scheduler.remote.frames import Frames
from speech_service.scheduler.scheduler import Scheduler
from speech_service.worker.audio_store import AudioStore
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.run_stream import RunStream
from speech_service.worker.telemetry import BufferingObserver

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

DEFAULT_HEARTBEAT_TIMEOUT_S = 5.0

_KIND_TO_WIRE = {
    ModelKind.RECOGNIZER: model_service_pb2.MODEL_KIND_RECOGNIZER,
    ModelKind.SYNTHESIZER: model_service_pb2.MODEL_KIND_SYNTHESIZER,
    ModelKind.ALIGNER: model_service_pb2.MODEL_KIND_ALIGNER,
    ModelKind.TRANSLATOR: model_service_pb2.MODEL_KIND_TRANSLATOR,
    ModelKind.LANGUAGE_IDENTIFIER: model_service_pb2.MODEL_KIND_LANGUAGE_IDENTIFIER,
}
_STATE_TO_WIRE = {
    ModelState.UNLOADED: model_service_pb2.MODEL_STATE_UNLOADED,
    ModelState.LOADING: model_service_pb2.MODEL_STATE_LOADING,
    ModelState.READY: model_service_pb2.MODEL_STATE_READY,
    ModelState.UNLOADING: model_service_pb2.MODEL_STATE_UNLOADING,
    ModelState.FAILED: model_service_pb2.MODEL_STATE_FAILED,
}


class WorkerServicer(pb_grpc.WorkerServiceServicer):
    """Serves one front end: the process that spawned this one."""

    def __init__(
        self,
        config: WorkerConfig,
        models: Mapping[str, ModelCapabilities],
        host: ModelHost,
        scheduler: Scheduler,
        observer: BufferingObserver,
    ) -> None:
        self._config = config
        self._models = models
        self._host = host
        self._scheduler = scheduler
        self._observer = observer
        self._pulse = Pulse(host, scheduler, models, config.heartbeat_interval_s)
        self._started_s = time.monotonic()
        self._stream_numbers = itertools.count(1)

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Work in, outcomes out, until the front end closes the connection; then its work is cancelled."""
        frames = Frames(reader, writer)
        events: asyncio.Queue[pb.RunEvent | None] = asyncio.Queue()
        stream = RunStream(
            f"run{next(self._stream_numbers)}",
            self._pulse,
            AudioStore(self._config.max_audio_bytes),
            events.put_nowait,  # bounded by the window that the front end keeps
        )
        reading = asyncio.create_task(_read(frames, stream, events))
        try:
            with contextlib.suppress(ConnectionError):
                async for ready in together(events):
                    await frames.write(pb.RunResponse(events=ready).SerializeToString())
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            stream.close()
            await frames.close()

    async def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: Context
    ) -> pb.HeartbeatResponse:
        """A small inference on every loaded model, all at once."""
        del context
        timeout_s = DEFAULT_HEARTBEAT_TIMEOUT_S
        if request.HasField("timeout"):
            timeout_s = request.timeout.ToNanoseconds() / 1e9
        beats = await self._pulse.beat(timeout_s)
        return pb.HeartbeatResponse(
            models=[
                pb.ModelHeartbeat(
                    model=beat.model,
                    ok=beat.ok,
                    latency_ms=beat.latency_ms,
                    message=beat.message,
                )
                for beat in beats
            ],
            metrics=self._observer.drain(),
        )

    async def GetStatus(  # noqa: N802
        self, request: pb.GetStatusRequest, context: Context
    ) -> pb.GetStatusResponse:
        """The state of the process."""
        del request, context
        stats = self._scheduler.stats()
        return pb.GetStatusResponse(
            models=[
                self._loaded_model(name)
                for name, state in self._host.states.items()
                if state is not ModelState.UNLOADED
            ],
            rss_bytes=rss_bytes(),
            queues=[
                pb.QueueDepth(
                    work_class=wire.class_to_wire(work_class),
                    depth=entry.depth,
                    oldest_ms=entry.oldest_wait_ms,
                )
                for work_class, entry in stats.queued.items()
            ],
            pid=os.getpid(),
            uptime_ms=round((time.monotonic() - self._started_s) * 1000),
        )

    async def LoadModel(  # noqa: N802
        self, request: pb.LoadModelRequest, context: Context
    ) -> pb.LoadModelResponse:
        """Load a model; FAILED_PRECONDITION when it cannot be loaded."""
        try:
            load_ms = await self._host.load(request.model)
        except SpeechError as error:
            await _abort(context, error)
        return pb.LoadModelResponse(model=self._loaded_model(request.model), load_ms=load_ms)

    async def UnloadModel(  # noqa: N802
        self, request: pb.UnloadModelRequest, context: Context
    ) -> pb.UnloadModelResponse:
        """Unload a model after what it runs."""
        try:
            return pb.UnloadModelResponse(unloaded=await self._host.unload(request.model))
        except SpeechError as error:
            await _abort(context, error)

    def _loaded_model(self, name: str) -> pb.LoadedModel:
        described = self._models[name]
        model = model_service_pb2.Model(
            name=name,
            kind=_KIND_TO_WIRE[described.kind],
            state=_STATE_TO_WIRE[self._host.states[name]],
            languages=sorted(described.languages),
            sample_rate_hz=described.sample_rate_hz,
            limits=common_pb2.Limits(max_segment_ms=described.max_segment_ms),
            licence=described.licence,
            description=described.description,
        )
        active = self._scheduler.stats().running.get(name, 0)
        return pb.LoadedModel(model=model, active=active)


async def _read(
    frames: Frames,
    stream: RunStream,
    events: "asyncio.Queue[pb.RunEvent | None]",
) -> None:
    try:
        while (message := await frames.read()) is not None:
            for command in pb.RunRequest.FromString(message).commands:
                stream.handle(command)
    except Exception:
        logger.exception("the stream of work failed")
    finally:
        events.put_nowait(None)


async def together(
    events: "asyncio.Queue[pb.RunEvent | None]",
) -> AsyncIterator[list[pb.RunEvent]]:
    """The events up to None, each with those that were ready by then."""
    event = await events.get()
    while event is not None:
        ready = [event]
        while not events.empty() and (event := events.get_nowait()) is not None:
            ready.append(event)
        yield ready
        event = event and await events.get()


async def _abort(context: Context, error: SpeechError) -> NoReturn:
    code = grpc.StatusCode.FAILED_PRECONDITION
    if isinstance(error, ResourceNotFoundError):
        code = grpc.StatusCode.NOT_FOUND
    await context.abort(code, error.message)
    raise AssertionError("abort raises")


def rss_bytes() -> int:
    """Resident memory of this process; its peak where the system does not say."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
