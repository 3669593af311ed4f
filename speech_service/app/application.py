"""The running front end: its servers, and how they start, drain and stop."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from loguru import logger

from speech_service.app.compose import FrontEnd, compose
from speech_service.app.descriptors import make_room
from speech_service.config.tree import Config, ObservabilityConfig
from speech_service.domain.models import ModelKind
from speech_service.edge.admin_v1.models import ModelAdminServicer
from speech_service.edge.certificates import certificates
from speech_service.edge.interceptor import CallInterceptor
from speech_service.edge.message_size import MessageSizes
from speech_service.edge.ports import (
    admin_server,
    bind_admin,
    bind_metrics,
    bind_public,
    public_server,
)
from speech_service.edge.services import (
    add_admin_services,
    add_public_services,
    make_health,
)
from speech_service.tasks import log_failure

_POLL_S = 0.02
_LAST_WORDS_S = 5.0
"""Of the grace, kept for the FINALs of streams that did not end by themselves."""
_ERRORS_LEAVE_S = 1.0
"""For errors to reach their clients once nobody waits any longer."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the servers listen on; 0: not served, or on a unix socket."""

    public: int
    admin: int
    metrics: int


class Application:
    """Servers and parts of one front end process. ``start``, then ``wait``, then ``close``."""

    def __init__(self, config: Config) -> None:
        """Build everything; must run on the event loop.

        Raises:
            ConfigError: something of the configuration does not exist or cannot be loaded.
        """
        self._certificates = certificates(config.server)
        self._closers = AsyncExitStack()
        """Of what was built and started, to be closed the other way round."""
        self.parts: FrontEnd = compose(config, self._closers)
        if self._certificates is not None:
            self._certificates.report_to(self.parts.observer)
        self.ports = Ports(0, 0, 0)
        self.config = config
        self._stopping = asyncio.Event()
        self._grace_s = config.server.drain_grace_s
        auth, sizes = self.parts.auth, MessageSizes(config)
        public = CallInterceptor(self.parts.call_observers, sizes, auth.public)
        admin = CallInterceptor(self.parts.call_observers, sizes, auth.admin)
        # The codec process and, for each file that is decoded or encoded, one socket.
        room = make_room(
            config.server, 4 + 2 * config.decoder.max_processes, self.parts.models.worker_count
        )
        self._health = make_health()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closers.callback(self._cancel_tasks)
        self._admin = admin_server(config.server, admin)
        self._closers.push_async_callback(self._admin.stop, 0)
        self._public = public_server(config.server, public, room.connections)
        self._closers.push_async_callback(self._public.stop, 0)

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigError: a port cannot be bound.
        """
        server, parts = self.config.server, self.parts
        add_public_services(self._public, parts.public, self._health, reflection=server.reflection)
        admin = ModelAdminServicer(
            parts.catalog,
            parts.admission,
            parts.audio_cache,
            parts.prompt_cache,
            parts.models.control,
            self.stop,
            started_s=time.time(),
        )
        add_admin_services(self._admin, admin, self._health)
        public = bind_public(
            self._public, server, self._certificates, asks=bool(self.config.auth.accept)
        )
        admin_port = bind_admin(self._admin, server)
        metrics = await bind_metrics(parts.observer, server)
        self.ports = Ports(public, admin_port, metrics)
        parts.auth.start()
        await self._health.start()
        await self._public.start()
        await self._admin.start()
        if self.config.worker.preload:
            parts.tools.vad.open()  # its network loads with the first stream, and that is this one
        parts.models.start(self._models_healthy)

    def stop(self, grace_s: float | None = None) -> None:
        """Begin an orderly shutdown; ``wait`` returns once it is done. Callable from a signal handler."""
        if grace_s is not None:
            self._grace_s = grace_s
        self._stopping.set()

    async def wait(self) -> None:
        """Serve until ``stop``, then drain: every stream gets the FINALs of what it sent."""
        await self._stopping.wait()
        await self._drain()

    async def give_up(self) -> None:
        """End every open call with what is ready for it and an error; who does not read is not waited for."""
        self.parts.admission.give_up()
        await self._all_ended(_ERRORS_LEAVE_S)

    def reload_certificates(self) -> None:
        """Read the files of TLS again, whether or not they look changed."""
        if self._certificates is not None:
            self._certificates.reload()

    def reload_auth(self) -> None:
        """Read the files of ``[auth]`` again, whether or not they look changed."""
        self._spawn(self.parts.auth.reload())

    def change_log(self, observability: ObservabilityConfig) -> None:
        """Have the models log as this process does, wherever they run."""
        self.parts.models.change_log(observability)

    def log_state(self) -> None:
        """Log what is open."""
        admission = self.parts.admission
        logger.info(
            "state: {} streams, {} unary calls, {}",
            admission.open_streams,
            admission.open_unary,
            "draining" if admission.draining else "serving",
        )

    async def close(self) -> None:
        """Stop everything at once. Safe after ``wait`` and after a failed ``start``."""
        await self._closers.aclose()

    def _models_healthy(self, healthy: Mapping[ModelKind, bool]) -> None:
        self._spawn(self._health.set_models(healthy))

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)

    # --- drain ---

    async def _drain(self) -> None:
        """NOT_SERVING first, then a notice to each stream, then what is in flight finishes."""
        admission, config = self.parts.admission, self.config.server
        await self._health.drain()
        reserve_s = min(_LAST_WORDS_S, self._grace_s / 2)
        notice_s = config.drain_notice_s + self._grace_s - reserve_s
        logger.info("draining: {} streams, {} calls", admission.open_streams, admission.open_unary)
        admission.going_away(round(notice_s * 1000))
        await asyncio.sleep(config.drain_notice_s)
        admission.close()
        if not await self._all_ended(self._grace_s - reserve_s):
            admission.drain_streams()
            if not await self._all_ended(reserve_s):
                logger.warning(
                    "{} streams and {} calls did not end in time",
                    admission.open_streams,
                    admission.open_unary,
                )
                await self.give_up()
        await self._public.stop(_POLL_S)

    async def _all_ended(self, timeout_s: float) -> bool:
        admission = self.parts.admission
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while admission.open_streams or admission.open_unary:
            if asyncio.get_running_loop().time() >= deadline_s:
                return False
            await asyncio.sleep(_POLL_S)
        return True
