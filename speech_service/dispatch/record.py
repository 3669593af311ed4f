"""What a worker writes down where its death cannot take it: a file without a name that both processes hold.

The front end makes it and hands it down as a descriptor. It reads with ``pread``, so it needs no descriptor, no
folder and no word of the worker to know what the worker was at; and nothing is left when both are gone. Little-endian
numbers of eight bytes. The first page says what the process is doing; each further run of pages is the journal of one
lane: the work that it runs now.
"""

import mmap
import os
import sys
import tempfile
import threading

NUMBER_BYTES = 8
PAGE_BYTES = mmap.ALLOCATIONGRANULARITY


class Record:
    """The front end's end. ``close`` it once the worker is gone."""

    def __init__(self) -> None:
        """Make an empty one.

        Raises:
            OSError: there is no descriptor or memory for it.
        """
        if sys.platform == "linux":
            self._descriptor = os.memfd_create("speech-worker-record")
        else:
            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())
        os.ftruncate(self._descriptor, PAGE_BYTES)

    def fileno(self) -> int:
        """The descriptor to hand down."""
        return self._descriptor

    @property
    def loading(self) -> bool:
        """Whether the worker is loading a model."""
        return _numbers(os.pread(self._descriptor, NUMBER_BYTES, 0)) != []

    def ran_ids(self) -> list[int]:
        """Numbers of the work that lanes have admitted and not ended."""
        size = os.fstat(self._descriptor).st_size
        return _numbers(os.pread(self._descriptor, size, PAGE_BYTES))

    def close(self) -> None:
        """Let go of it. Harmless twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class WorkerRecord:
    """The worker's end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._state = mmap.mmap(descriptor, PAGE_BYTES)
        self._end_bytes = PAGE_BYTES
        self._free: dict[int, list[mmap.mmap]] = {}
        self._lock = threading.RLock()  # models load on threads, and a finalizer may run on any

    def set_loading(self, count: int) -> None:
        """So many models are being loaded."""
        self._state[:NUMBER_BYTES] = count.to_bytes(NUMBER_BYTES, "little")

    def take_journal(self, slots: int) -> mmap.mmap:
        """Room for ``slots`` numbers, all zero. Any thread."""
        size_bytes = -(-slots * NUMBER_BYTES // PAGE_BYTES) * PAGE_BYTES
        with self._lock:
            free = self._free.setdefault(size_bytes, [])
            if free:
                return free.pop()
            start, self._end_bytes = self._end_bytes, self._end_bytes + size_bytes
            os.ftruncate(self._descriptor, self._end_bytes)
            return mmap.mmap(self._descriptor, size_bytes, offset=start)

    def give_back(self, journal: mmap.mmap) -> None:
        """The lane is gone: its journal is for the next one. Any thread."""
        journal[:] = bytes(len(journal))
        with self._lock:
            self._free.setdefault(len(journal), []).append(journal)


def _numbers(data: bytes) -> list[int]:
    """Those that are not zero."""
    starts = range(0, len(data), NUMBER_BYTES)
    numbers = (int.from_bytes(data[at : at + NUMBER_BYTES], "little") for at in starts)
    return [number for number in numbers if number]
