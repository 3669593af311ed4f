"""How urgent the worker's threads are to the system: computing gives way to the front end, loading does not."""

import contextlib
import logging
import os
import sys
import threading
from pathlib import Path

logger = logging.getLogger(__name__)


class Priority:
    """Lowers the threads that compute. Any thread may load; the event loop's thread lowers.

    On Linux each thread has a niceness of its own, which it hands on to those that it starts, and which no process
    without privileges raises again. So the threads that load models and the event loop's keep theirs: a busy machine
    that starves a start gets worse by it. What a load leaves behind, pools and lanes, is lowered once nothing loads.
    Elsewhere the whole process is lowered, once the first models are there.
    """

    def __init__(self, nice: int) -> None:
        """``nice`` is added to the niceness of threads that are lowered."""
        self._nice = nice
        self._kept = {threading.get_native_id()}
        self._is_lowered = False

    def keep_this_thread(self) -> None:
        """It loads models, now and later."""
        self._kept.add(threading.get_native_id())

    def lower(self) -> None:
        """Lower every thread that there is, but those that are kept and those that are lowered already."""
        try:
            if sys.platform == "linux":
                self._lower_threads()
            elif not self._is_lowered:
                os.nice(self._nice)
                self._is_lowered = True
        except OSError:
            logger.warning("worker.nice = %d is not allowed here", self._nice)

    def _lower_threads(self) -> None:
        threads = {int(thread.name) for thread in Path("/proc/self/task").iterdir()}
        target = min(19, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + self._nice)
        for thread in threads - self._kept:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                if os.getpriority(os.PRIO_PROCESS, thread) != target:
                    os.setpriority(os.PRIO_PROCESS, thread, target)
