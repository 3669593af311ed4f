"""Operating a server: what it holds, loading models, draining. Speaks to the admin port."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import grpc.aio
from google.protobuf.duration_pb2 import Duration

from speech.admin.v1 import model_admin_service_pb2 as pb
from speech.admin.v1.model_admin_service_pb2_grpc import ModelAdminServiceStub
from speech.v1 import model_service_pb2
from speech_client.calls import Connection
from speech_client.channel import CallOptions, RetryPolicy, open_channel
from speech_client.credentials import Token, with_credentials
from speech_client.models import enum_name
from speech_client.reconnect import NEVER


@dataclass(frozen=True, slots=True)
class ModelInstance:
    """A model in a worker.

    Attributes:
        model: configured name.
        kind: as of ``Model``.
        state: as of ``Model``.
        worker_id: worker that holds it; "inline": the front end itself.
        device: such as "cpu" or "cuda:0".
        queued: pieces of work that wait for it.
        active: pieces of work that it computes.
        message: what went wrong; empty unless the state is "failed".
    """

    model: str
    kind: str
    state: str
    worker_id: str
    device: str
    queued: int
    active: int
    message: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process.

    Attributes:
        worker_id: its name.
        pid: process id; 0 while it does not run.
        rss_bytes: resident memory; 0 while it does not run.
        device_memory_bytes: in use on its GPUs, by whatever process; 0 while it uses none.
        restarts: times that it was started again after it died.
        state: "stopped", "starting", "ready", "restarting" or "failed"; "unspecified" of an older server.
        healthy: whether work can be expected to succeed there.
        devices: that are its own, such as "cpu" or "cuda:0".
        models: that it serves, loaded or not.
    """

    worker_id: str
    pid: int
    rss_bytes: int
    device_memory_bytes: int
    restarts: int
    state: str = "unspecified"
    healthy: bool = False
    devices: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache of the server. ``capacity_bytes`` is 0 where it is off; hits and misses count from the start."""

    kind: str
    entries: int
    size_bytes: int
    capacity_bytes: int
    hits: int
    misses: int


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A server as it is now. ``rss_bytes`` is the resident memory of the front end alone."""

    version: str
    started: datetime
    draining: bool
    open_streams: int
    open_requests: int
    rss_bytes: int
    workers: tuple[Worker, ...]
    instances: tuple[ModelInstance, ...]
    caches: tuple[Cache, ...]


@dataclass(frozen=True, slots=True)
class OpenCalls:
    """What was open when a drain began."""

    streams: int
    requests: int


class AdminClient(Connection):
    """A connection to the admin port of one server; use it in ``async with``.

    Every call raises ``SpeechApiError`` when it does not succeed. None is repeated by itself.
    """

    def __init__(self, channel: grpc.aio.Channel, call: CallOptions) -> None:
        super().__init__(channel, call, RetryPolicy(attempts=1), NEVER)
        self._admin = ModelAdminServiceStub(channel)

    @classmethod
    def connect(
        cls,
        target: str,
        *,
        call: CallOptions | None = None,
        api_key: str = "",
        token: Token = "",
    ) -> Self:
        """Make a client of ``target``, a plaintext address such as ``127.0.0.1:50052`` or ``unix:/path``.

        ``api_key`` or ``token``: of a caller with the scope ``admin``, where the server asks who calls.

        Raises:
            ValueError: both are given.
        """
        channel = open_channel(target, None, RetryPolicy(attempts=1))
        return cls(with_credentials(channel, api_key, token), call or CallOptions())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def status(self, *, call: CallOptions | None = None) -> ServerStatus:
        """Describe the server."""
        request = pb.GetServerStatusRequest()
        raw = await self._unary(
            self._admin.GetServerStatus, request, pb.GetServerStatusResponse, call
        )
        return ServerStatus(
            version=raw.version,
            started=raw.start_time.ToDatetime(UTC),
            draining=raw.draining,
            open_streams=raw.open_streams,
            open_requests=raw.open_requests,
            rss_bytes=raw.rss_bytes,
            workers=tuple(map(_worker, raw.workers)),
            instances=tuple(map(_instance, raw.instances)),
            caches=tuple(map(_cache, raw.caches)),
        )

    async def load_model(self, model: str, *, call: CallOptions | None = None) -> ModelInstance:
        """Load a model in every worker that serves it; returns when it is ready, with the first of its instances."""
        request = pb.LoadModelRequest(model=model)
        raw = await self._unary(self._admin.LoadModel, request, pb.LoadModelResponse, call)
        return _instance(raw.instance)

    async def unload_model(self, model: str, *, call: CallOptions | None = None) -> bool:
        """Unload a model everywhere; returns when its memory is released. False: it was not loaded."""
        request = pb.UnloadModelRequest(model=model)
        raw = await self._unary(self._admin.UnloadModel, request, pb.UnloadModelResponse, call)
        return raw.unloaded

    async def clear_caches(
        self, kinds: Sequence[str] = (), *, call: CallOptions | None = None
    ) -> int:
        """Empty caches: "synthesis_audio", "voice_prompt", or all. Returns the bytes released.

        Raises:
            ValueError: there is no such kind.
        """
        values = [pb.CacheKind.Value(f"CACHE_KIND_{kind.upper()}") for kind in kinds]
        request = pb.ClearCachesRequest(kinds=values)
        raw = await self._unary(self._admin.ClearCaches, request, pb.ClearCachesResponse, call)
        return raw.size_bytes

    async def drain(
        self, grace_s: float | None = None, *, call: CallOptions | None = None
    ) -> OpenCalls:
        """Begin to drain the server, which then exits; returns at once, with what is open.

        Args:
            grace_s: longest time for open calls, in seconds; None: the server's ``drain_grace_s``.
            call: metadata and deadline of this call.
        """
        request = pb.DrainServerRequest()
        if grace_s is not None:
            grace = Duration()
            grace.FromMilliseconds(round(grace_s * 1000))
            request.grace.CopyFrom(grace)
        raw = await self._unary(self._admin.DrainServer, request, pb.DrainServerResponse, call)
        return OpenCalls(raw.open_streams, raw.open_requests)


def _instance(raw: pb.ModelInstance) -> ModelInstance:
    return ModelInstance(
        model=raw.model,
        kind=enum_name("MODEL_KIND_", model_service_pb2.ModelKind.items(), raw.kind),
        state=enum_name("MODEL_STATE_", model_service_pb2.ModelState.items(), raw.state),
        worker_id=raw.worker_id,
        device=raw.device,
        queued=raw.queued,
        active=raw.active,
        message=raw.message,
    )


def _worker(raw: pb.WorkerStatus) -> Worker:
    return Worker(
        worker_id=raw.worker_id,
        pid=raw.pid,
        rss_bytes=raw.rss_bytes,
        device_memory_bytes=raw.device_memory_bytes,
        restarts=raw.restarts,
        state=enum_name("WORKER_STATE_", pb.WorkerState.items(), raw.state),
        healthy=raw.healthy,
        devices=tuple(raw.devices),
        models=tuple(raw.models),
    )


def _cache(raw: pb.CacheStatus) -> Cache:
    kind = enum_name("CACHE_KIND_", pb.CacheKind.items(), raw.kind)
    return Cache(kind, raw.entries, raw.size_bytes, raw.capacity_bytes, raw.hits, raw.misses)
