"""Health per service (grpc.health.v1), driven by real inference and by draining."""

from collections.abc import Mapping, Sequence
from typing import Any

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import (  # pyright: ignore[reportMissingTypeStubs] - untyped package
    HealthServicer,
)

from speech_service.domain.models import ModelKind

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """What the health service answers. The empty name stands for the whole server."""

    def __init__(self, services: Sequence[str], model_services: Mapping[str, ModelKind]) -> None:
        """``model_services``: those that need models of a kind; the others only stop serving when the server drains."""
        self.servicer = HealthServicer()
        self._services = ("", *services)
        self._model_services = model_services

    async def start(self) -> None:
        """Everything serves: models load on first need."""
        for name in self._services:
            await self.servicer.set(name, SERVING)

    async def set_models(self, healthy: Mapping[ModelKind, bool]) -> None:
        """Of each kind of model that there is, whether a worker can do its work. The whole server needs them all."""
        for name, kind in self._model_services.items():
            await self._set(name, healthy.get(kind, all(healthy.values())))
        await self._set("", all(healthy.values()))

    async def _set(self, name: str, serves: bool) -> None:
        await self.servicer.set(name, SERVING if serves else NOT_SERVING)

    async def drain(self) -> None:
        """NOT_SERVING for good, whatever is set later."""
        await self.servicer.enter_graceful_shutdown()

    def add_to(self, server: aio.Server) -> None:
        """Serve it."""
        add: Any = health_pb2_grpc.add_HealthServicer_to_server  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped package
        add(self.servicer, server)
