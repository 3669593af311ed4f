"""The front end's end of the control socket: starts the zygote, hands it jobs."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from speech_service.domain.errors import UnavailableError
from speech_service.effort import Effort, wait_fairly
from speech_service.media.codec.wire import EXITED, REQUEST, ChildExit, Op, Order
from speech_service.tasks import log_failure

logger = logging.getLogger(__name__)

_STOP_S = 2.0
_FULL_RETRY_S = 0.005
_READY_S, _EXIT_S = 10.0, 2.0
"""How long the process may have the chance to bring the first word of a job, and to say that one has ended."""
_LOOK_S = 1.0

T = TypeVar("T")


class ZygoteLink:
    """One running zygote. Made by ``start``; once ``alive`` is false it is of no more use."""

    def __init__(self, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._exits: dict[int, asyncio.Future[ChildExit | None]] = {}
        self.alive = True
        self._listener = asyncio.get_running_loop().create_task(self._listen())
        self._listener.add_done_callback(log_failure)

    @property
    def pid(self) -> int:
        """Give the process id of the zygote."""
        return self._process.pid

    @classmethod
    def start(cls) -> "ZygoteLink":
        """Spawn a zygote.

        Not in a thread, though it blocks the loop for some 4 ms: a caller that is cancelled
        meanwhile would leave a process behind. The environment of the process is empty but for the
        import path: who parses hostile bytes holds no secret.

        Raises:
            UnavailableError: the process could not be started.
        """
        ours, theirs = job_sockets()
        try:
            process = _spawn(theirs)
        except OSError as error:
            ours.close()
            raise _shortage(error) from None
        finally:
            theirs.close()
        return cls(process, ours)

    async def open(self, order: Order, job: socket.socket) -> "asyncio.Future[ChildExit | None]":
        """Start a job on ``job`` (the caller closes its copy).

        Returns:
            A future of how it ended; None when the zygote was lost.

        Raises:
            ConnectionError: the zygote is gone.
        """
        exited: asyncio.Future[ChildExit | None] = asyncio.get_running_loop().create_future()
        self._exits[order.job_id] = exited
        try:
            await self._send(Op.OPEN, order, [job.fileno()])
        except OSError as error:
            self._exits.pop(order.job_id, None)
            raise ConnectionError from error
        except asyncio.CancelledError:
            self._exits.pop(order.job_id, None)
            raise
        return exited

    async def first_word(self, word: Coroutine[Any, Any, T]) -> T:
        """What ``word`` receives of a job that was opened. A starved process is waited for, a stuck one is lost.

        Raises:
            TimeoutError: nothing came.
            Exception: what ``word`` raises.
        """
        coming = asyncio.ensure_future(word)
        try:
            if not await wait_fairly(coming, Effort(self.pid), lambda: _READY_S, _LOOK_S):
                self.alive = False
                raise TimeoutError
            return await coming
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def end_of(self, exited: "asyncio.Future[ChildExit | None]") -> ChildExit | None:
        """How a job ended that is over; None: not known, because the process is gone or does not answer."""
        if await wait_fairly(exited, Effort(self.pid), lambda: _EXIT_S, _LOOK_S):
            return exited.result()
        return None

    async def kill(self, order: Order) -> None:
        """End a job now. A job that ended already is ignored."""
        if order.job_id in self._exits:
            with contextlib.suppress(OSError):
                await self._send(Op.KILL, order, [])

    async def stop(self) -> None:
        """End the zygote and its children, and wait for it."""
        self.alive = False
        self._listener.cancel()
        await asyncio.wait([self._listener])
        self._control.close()
        self._settle()
        await asyncio.to_thread(_reap, self._process)

    async def _send(self, op: Op, order: Order, descriptors: list[int]) -> None:
        record = REQUEST.pack(
            op,
            order.job_id,
            order.task,
            order.cpu_s,
            order.cpu_s_per_audio_s,
            order.memory_bytes,
            order.buffered_bytes,
            order.channel_count,
        )
        while self.alive:
            try:
                socket.send_fds(self._control, [record], descriptors)
            except BlockingIOError:
                await asyncio.sleep(_FULL_RETRY_S)
            else:
                return
        raise ConnectionResetError

    async def _listen(self) -> None:
        try:
            await self._hear_exits()
        finally:  # whatever ended it: nobody hears of jobs any more
            self.alive = False
            self._settle()

    async def _hear_exits(self) -> None:
        loop = asyncio.get_running_loop()
        held = b""
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(self._control, 4096):
                held += data
                whole = len(held) - len(held) % EXITED.size
                for job_id, status, cpu_s in EXITED.iter_unpack(held[:whole]):
                    exited = self._exits.pop(job_id, None)
                    if exited is not None and not exited.done():
                        exited.set_result(ChildExit(status, cpu_s))
                held = held[whole:]

    def _settle(self) -> None:
        for exited in self._exits.values():
            if not exited.done():
                exited.set_result(None)
        self._exits.clear()


def job_sockets() -> tuple[socket.socket, socket.socket]:
    """Our end, which does not block, and the other one, of a connection to a codec process.

    Raises:
        UnavailableError: the system has no descriptors for it.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise _shortage(error) from None
    ours.setblocking(False)
    return ours, theirs


def _shortage(error: OSError) -> UnavailableError:
    """What the caller hears of a machine that has no process or descriptor left; the log hears which."""
    logger.warning("an audio codec process cannot be had: %s", error.strerror)
    return UnavailableError("the audio codec process could not be started", retry_after_ms=1000)


def _spawn(control: socket.socket) -> "subprocess.Popen[bytes]":
    number = str(control.fileno())
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "speech_service.media.codec.zygote", number],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None,  # A failing import shows there; once up, the zygote closes it for itself.
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        pass_fds=[control.fileno()],
        start_new_session=True,  # A Ctrl-C in the terminal is for the front end, which closes us.
        cwd="/",
    )


def _reap(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
