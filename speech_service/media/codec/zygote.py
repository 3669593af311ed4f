"""The process that forks codec children: ``python -m speech_service.media.codec.zygote CONTROL_FD``.

It imports FFmpeg once and forks one child per job, so that a decoder or encoder opens in milliseconds and a
crash, a leak or an exploit stays in a process that holds one client's file. It parses no audio, has
one thread, and ends, with every child, when its control socket closes: it cannot outlive the front
end.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys

from speech_service.media.codec.confine import silence_standard_streams
from speech_service.media.codec.wire import EXITED, NOT_STARTED, REQUEST, Op, Order, Task
from speech_service.media.decode import child as decode_child
from speech_service.media.encode import child as encode_child
from speech_service.signals import leave_the_end_to_the_parent

_RUN = {Task.DECODE: decode_child.run, Task.ENCODE: encode_child.run}


class Zygote:
    """Takes requests, forks, reaps, reports."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # pid -> job id
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)

    def serve(self) -> None:
        """Run until the control socket closes."""
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wake_in, selectors.EVENT_READ)
            alive = True
            while alive:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._wake_in in ready:
                    self._wake_in.recv(4096)
                if self._control in ready:
                    alive = self._take_request(selector)
                self._reap()
        self._kill_all()

    def _take_request(self, selector: selectors.BaseSelector) -> bool:
        """Serve one request; False when the front end is gone."""
        data, descriptors, _, _ = socket.recv_fds(self._control, REQUEST.size, 1)
        if len(data) != REQUEST.size:
            return False
        op, job_id, task, *fields = REQUEST.unpack(data)
        order = Order(job_id, Task(task), *fields)
        if op == Op.OPEN and not descriptors:  # we may hold no more of them
            self._report(order.job_id, NOT_STARTED, 0.0)
        elif op == Op.OPEN:
            job = socket.socket(fileno=descriptors[0])
            self._fork(order, job, selector)
            job.close()
        else:
            self._kill(order.job_id)
        return True

    def _fork(self, order: Order, job: socket.socket, selector: selectors.BaseSelector) -> None:
        try:
            pid = os.fork()
        except OSError:
            self._report(order.job_id, NOT_STARTED, 0.0)
            return
        if pid:
            self._children[pid] = order.job_id
            return
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            selector.close()
            for inherited in (self._control, self._wake_in, self._wake_out):
                inherited.close()
            _RUN[order.task](job, order)
        finally:
            os._exit(1)

    def _kill(self, job_id: int) -> None:
        # Only this process reaps, and only in _reap: a pid in the table cannot have been reused.
        for pid, owner in self._children.items():
            if owner == job_id:
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._children:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            self._report(self._children.pop(pid), status, used.ru_utime + used.ru_stime)

    def _report(self, job_id: int, status: int, cpu_s: float) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendall(EXITED.pack(job_id, status, cpu_s))

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)


def main() -> None:
    """Entry point; the one argument is the number of the inherited control socket."""
    leave_the_end_to_the_parent()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    silence_standard_streams()
    decode_child.warm_up()
    encode_child.warm_up()
    gc.collect()
    gc.freeze()  # Children share these pages: the collector must not touch them.
    Zygote(control).serve()


if __name__ == "__main__":
    main()
