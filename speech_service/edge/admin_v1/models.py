"""speech.admin.v1.ModelAdminService: for operators, on the admin port."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from speech.admin.v1 import model_admin_service_pb2 as pb
from speech.admin.v1 import model_admin_service_pb2_grpc
from speech.v1 import model_service_pb2
from speech_service import __version__
from speech_service.calls.admission import Admission
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.speech.audio_cache import AudioCache, LruCache, VoicePromptCache
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.models import ModelStatus, UnloadOutcome, WorkerState
from speech_service.edge.v1.common import duration_ms, names
from speech_service.edge.v1.models import KINDS, STATES
from speech_service.protocols import ModelControl

ServicerContext = aio.ServicerContext[Any, Any]
_WATCH_INTERVAL_S = 0.25
WORKER_STATES = {
    WorkerState.STOPPED: pb.WORKER_STATE_STOPPED,
    WorkerState.STARTING: pb.WORKER_STATE_STARTING,
    WorkerState.READY: pb.WORKER_STATE_READY,
    WorkerState.RESTARTING: pb.WORKER_STATE_RESTARTING,
    WorkerState.FAILED: pb.WORKER_STATE_FAILED,
}
_UNLOAD_OUTCOMES = {
    UnloadOutcome.UNLOADED: pb.UNLOAD_OUTCOME_UNLOADED,
    UnloadOutcome.NOT_LOADED: pb.UNLOAD_OUTCOME_NOT_LOADED,
    UnloadOutcome.WORKER_ENDED: pb.UNLOAD_OUTCOME_WORKER_ENDED,
}
_CACHE_KINDS = set(pb.CacheKind.values()) - {pb.CACHE_KIND_UNSPECIFIED}
MAX_GRACE_MS = 3_600_000


class ModelAdminServicer(model_admin_service_pb2_grpc.ModelAdminServiceServicer):
    """Loads, unloads, watches; tells the server's status; drains."""

    def __init__(
        self,
        catalog: ModelCatalog,
        admission: Admission,
        audio: AudioCache,
        prompts: VoicePromptCache,
        control: ModelControl,
        drain: Callable[[float | None], None],
        started_s: float,
    ) -> None:
        """``drain`` starts the server's shutdown, with a grace in seconds or the configured one.

        ``started_s``: when the server started, seconds since the epoch.
        """
        self._catalog = catalog
        self._control = control
        self._admission = admission
        self._caches: Mapping[pb.CacheKind.ValueType, LruCache[Any]] = {
            pb.CACHE_KIND_SYNTHESIS_AUDIO: audio,
            pb.CACHE_KIND_VOICE_PROMPT: prompts,
        }
        self._drain = drain
        self._started = Timestamp()
        self._started.FromMilliseconds(round(started_s * 1000))

    async def LoadModel(  # noqa: N802 - the name on the wire
        self, request: pb.LoadModelRequest, context: ServicerContext
    ) -> pb.LoadModelResponse:
        """Load a model now instead of on first need."""
        del context
        self._catalog.get(request.model)
        load_ms = await self._control.load(request.model)
        instances = await self._instances(request.model)
        return pb.LoadModelResponse(instance=instances[0], load_ms=load_ms)

    async def UnloadModel(  # noqa: N802 - the name on the wire
        self, request: pb.UnloadModelRequest, context: ServicerContext
    ) -> pb.UnloadModelResponse:
        """Unload a model; it loads again on the next need."""
        del context
        self._catalog.get(request.model)
        outcomes = await self._control.unload(request.model)
        return pb.UnloadModelResponse(
            unloaded=any(each is not UnloadOutcome.NOT_LOADED for each in outcomes.values()),
            workers=[
                pb.WorkerUnload(worker_id=worker_id, outcome=_UNLOAD_OUTCOMES[each])
                for worker_id, each in outcomes.items()
            ],
        )

    async def ListModelInstances(  # noqa: N802 - the name on the wire
        self, request: pb.ListModelInstancesRequest, context: ServicerContext
    ) -> pb.ListModelInstancesResponse:
        """Where each model is."""
        del context
        if request.model:
            self._catalog.get(request.model)
        return pb.ListModelInstancesResponse(instances=await self._instances(request.model))

    async def WatchModelInstances(  # noqa: N802 - the name on the wire
        self, request: pb.WatchModelInstancesRequest, context: ServicerContext
    ) -> AsyncIterator[pb.WatchModelInstancesResponse]:
        """Every instance now, and again whenever it changes."""
        del context
        if request.model:
            self._catalog.get(request.model)
        seen: dict[tuple[str, str], bytes] = {}
        while True:
            for instance in await self._instances(request.model):
                key = (instance.model, instance.worker_id)
                state = instance.SerializeToString(deterministic=True)
                if seen.get(key) == state:
                    continue
                seen[key] = state
                response = pb.WatchModelInstancesResponse(instance=instance)
                response.time.FromMilliseconds(round(time.time() * 1000))
                yield response
            await asyncio.sleep(_WATCH_INTERVAL_S)

    async def ClearCaches(  # noqa: N802 - the name on the wire
        self, request: pb.ClearCachesRequest, context: ServicerContext
    ) -> pb.ClearCachesResponse:
        """Empty the caches that are named, or all."""
        del context
        if any(kind not in _CACHE_KINDS for kind in request.kinds):
            allowed = names(pb.CacheKind.keys(), "CACHE_KIND_")
            raise InvalidFieldError("kinds", "holds an unset or unknown kind", allowed)
        entries = size_bytes = 0
        for kind in set(request.kinds) or set(self._caches):
            count, size = self._caches[kind].clear()
            entries, size_bytes = entries + count, size_bytes + size
        return pb.ClearCachesResponse(entries=entries, size_bytes=size_bytes)

    async def GetServerStatus(  # noqa: N802 - the name on the wire
        self, request: pb.GetServerStatusRequest, context: ServicerContext
    ) -> pb.GetServerStatusResponse:
        """The server at a glance."""
        del request, context
        statuses, workers = await self._control.report()
        return pb.GetServerStatusResponse(
            version=__version__,
            start_time=self._started,
            draining=self._admission.draining,
            open_streams=self._admission.open_streams,
            open_requests=self._admission.open_unary,
            rss_bytes=_rss_bytes(),
            workers=[
                pb.WorkerStatus(
                    worker_id=w.worker_id,
                    pid=w.pid,
                    rss_bytes=w.rss_bytes,
                    device_memory_bytes=w.device_memory_bytes,
                    restarts=w.restarts,
                    state=WORKER_STATES[w.state],
                    healthy=w.healthy,
                    devices=w.devices,
                    models=w.models,
                )
                for w in workers
            ],
            instances=[self._instance(status) for status in statuses],
            caches=[_cache_status(kind, cache) for kind, cache in self._caches.items()],
        )

    async def DrainServer(  # noqa: N802 - the name on the wire
        self, request: pb.DrainServerRequest, context: ServicerContext
    ) -> pb.DrainServerResponse:
        """Begin an orderly shutdown, as SIGTERM does."""
        del context
        grace_s = None
        if request.HasField("grace"):
            grace_s = duration_ms(request.grace, "grace", 0, MAX_GRACE_MS) / 1000
        response = pb.DrainServerResponse(
            open_streams=self._admission.open_streams, open_requests=self._admission.open_unary
        )
        self._drain(grace_s)
        return response

    async def _instances(self, model: str) -> Sequence[pb.ModelInstance]:
        statuses, _ = await self._control.report()
        return [self._instance(s) for s in statuses if not model or s.model == model]

    def _instance(self, status: ModelStatus) -> pb.ModelInstance:
        kind = KINDS.get(
            self._catalog.get(status.model).kind, model_service_pb2.MODEL_KIND_UNSPECIFIED
        )
        return pb.ModelInstance(
            model=status.model,
            kind=kind,
            state=STATES[status.state],
            worker_id=status.worker_id,
            device=status.device,
            queued=status.queued,
            active=status.active,
            message=status.message,
        )


def _cache_status(kind: "pb.CacheKind.ValueType", cache: LruCache[Any]) -> pb.CacheStatus:
    stats = cache.stats()
    return pb.CacheStatus(
        kind=kind,
        entries=stats.entries,
        size_bytes=stats.size_bytes,
        capacity_bytes=stats.capacity_bytes,
        hits=stats.hits,
        misses=stats.misses,
    )


def _rss_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
