"""What each lane runs at this moment, in memory that outlives the process.

When a worker dies, the front end reads which work it died over. A message could not tell: the
process is gone before the event loop sends it. A file that is mapped into memory costs a store of
eight bytes and needs no flush, as the system keeps the page when the process is killed.
"""

import weakref
from collections.abc import Sequence

from speech_service.dispatch.record import NUMBER_BYTES, WorkerRecord
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import Work, WorkAudio, WorkEvent
from speech_service.protocols import Engine


def wire_id(work_id: str) -> int:
    """The number that the front end gave the work; 0 for work of the worker's own."""
    return int(work_id) if work_id.isdigit() else 0


class JournaledEngine:
    """An engine that notes what is admitted to it: one little-endian uint64 per item, 0 when free."""

    def __init__(self, engine: Engine, record: WorkerRecord) -> None:
        self._engine = engine
        slots = engine.capabilities.max_admitted
        self._map = record.take_journal(slots)
        weakref.finalize(self, record.give_back, self._map)
        self._free = list(range(slots))
        self._slots: dict[str, int] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """Those of the engine."""
        return self._engine.capabilities

    def admit(self, work: Work) -> None:
        """Note the work, then admit it."""
        slot = self._free.pop()
        self._slots[work.work_id] = slot
        self._write(slot, wire_id(work.work_id))
        self._engine.admit(work)

    def step(self) -> Sequence[WorkEvent]:
        """Step the engine, then strike out what ended."""
        events = self._engine.step()
        for event in events:
            if not isinstance(event, WorkAudio):
                self._clear(event.work_id)
        return events

    def abort(self, work_id: str) -> None:
        """Abort the work, then strike it out."""
        self._engine.abort(work_id)
        self._clear(work_id)

    def _clear(self, work_id: str) -> None:
        slot = self._slots.pop(work_id, None)
        if slot is not None:
            self._write(slot, 0)
            self._free.append(slot)

    def _write(self, slot: int, number: int) -> None:
        at = slot * NUMBER_BYTES
        self._map[at : at + NUMBER_BYTES] = number.to_bytes(NUMBER_BYTES, "little")
