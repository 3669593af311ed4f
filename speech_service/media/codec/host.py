"""Keeps the one codec process of a front end: started with the first job, stopped when idle, replaced when lost."""

import asyncio
import itertools

from speech_service.media.codec.link import ZygoteLink
from speech_service.tasks import log_failure

LOSS_SHOWS_S = 0.01
"""How long after a failed job the loss of the whole process is known."""


class CodecHost:
    """What ``DecoderPool`` and ``EncoderPool`` start their jobs with. Belongs to one event loop."""

    def __init__(self, idle_s: float = 60.0) -> None:
        """``idle_s``: the process ends this long after its last job did."""
        self._idle_s = idle_s
        self._link: ZygoteLink | None = None
        self._starting = asyncio.Lock()
        self._job_ids = itertools.count(1)
        self._jobs = 0
        self._idle: asyncio.Task[None] | None = None

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the running zygote, for tests and ``doctor``; None when it is stopped."""
        return self._link.pid if self._link is not None and self._link.alive else None

    def acquire(self) -> int:
        """Begin a job, for which the process stays. Returns the id of the job; ``release`` once for each."""
        self._stay()
        self._jobs += 1
        return next(self._job_ids)

    def release(self) -> None:
        """Take note that a job is over."""
        self._jobs -= 1
        if not self._jobs and self._link is not None and self._idle is None:
            self._idle = asyncio.get_running_loop().create_task(self._stop_when_idle())
            self._idle.add_done_callback(log_failure)

    async def link(self) -> ZygoteLink:
        """Give the running process; a fresh one where the last was lost.

        Raises:
            UnavailableError: it cannot be started.
        """
        async with self._starting:
            if self._link is not None and not self._link.alive:
                await self._link.stop()
                self._link = None
            if self._link is None:
                self._link = ZygoteLink.start()
            return self._link

    async def close(self) -> None:
        """Stop the process. The pools that use it are closed before."""
        self._stay()
        await self._drop_link()

    async def _drop_link(self) -> None:
        async with self._starting:
            link, self._link = self._link, None
            if link is not None:
                await link.stop()

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def _stop_when_idle(self) -> None:
        await asyncio.sleep(self._idle_s)
        self._idle = None
        if not self._jobs:
            await self._drop_link()
