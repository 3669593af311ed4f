"""Which CPU cores the thread of a lane runs on, and which stream its work goes to."""

import os
from collections.abc import Sequence

from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import Work, WorkEvent
from speech_service.engines.runtimes.torch import Device, watching_device
from speech_service.protocols import Engine


class PlacedEngine:
    """Implements ``protocols.Engine``: another one, on chosen cores and on its device's stream."""

    def __init__(self, engine: Engine, device: Device, cores: frozenset[int]) -> None:
        self._engine = engine
        self._device = device
        self._cores = cores
        self._is_bound = not cores

    @property
    def device(self) -> Device:
        """Where it computes, and on which stream."""
        return self._device

    @property
    def capabilities(self) -> ModelCapabilities:
        """The engine's."""
        return self._engine.capabilities

    def admit(self, work: Work) -> None:
        """Pass it on; nothing is computed yet."""
        self._engine.admit(work)

    def step(self) -> Sequence[WorkEvent]:
        """Bind the calling thread, which is the lane's, with the first step. Threads that it starts inherit that.

        Raises:
            DeviceLostError: the device computes nothing any more.
        """
        if not self._is_bound:
            os.sched_setaffinity(0, self._cores)
            self._is_bound = True
        with self._device.stream(), watching_device():
            return self._engine.step()

    def abort(self, work_id: str) -> None:
        """Pass it on."""
        with self._device.stream(), watching_device():
            self._engine.abort(work_id)
