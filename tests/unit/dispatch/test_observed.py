"""What listeners hear of the work that passes a submitter."""

import pytest

from speech_service.dispatch.observed import ObservedSubmitter
from speech_service.domain.errors import OverloadedError
from speech_service.domain.work import (
    DropReason,
    Work,
    WorkClass,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import OnWorkEvent
from tests.unit.dispatch.builders import make_work

Told = list[tuple[str, str]]


class Device:
    """Refuses what it is told to, and ends work when a test says so."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.refuses = False
        self.callbacks: dict[str, OnWorkEvent] = {}

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        if self.refuses:
            raise OverloadedError("full")
        self.told.append(("device", work.work_id))
        self.callbacks[work.work_id] = on_event

    def cancel(self, work_id: str) -> None:
        self.told.append(("cancel", work_id))

    def release(self, stream_id: str) -> None:
        self.told.append(("release", stream_id))


class Listener:
    """Notes all."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def submitted(self, work: Work) -> None:
        self.told.append(("submitted", work.work_id))

    def happened(self, work: Work, event: WorkEvent) -> None:
        self.told.append((type(event).__name__, work.work_id))

    def released(self, stream_id: str) -> None:
        self.told.append(("released", stream_id))


def make() -> tuple[ObservedSubmitter, Device, Told]:
    told: Told = []
    device = Device(told)
    return ObservedSubmitter(device, [Listener(told)]), device, told


def test_a_listener_hears_of_work_first_and_of_its_end_before_the_caller() -> None:
    submitter, device, told = make()
    work = make_work("w", WorkClass.STREAM_FINAL)
    submitter.submit(work, lambda event: told.append(("caller", event.work_id)))
    submitter.cancel("w")
    device.callbacks["w"](WorkDropped("w", DropReason.CANCELLED))
    submitter.release("s")
    assert told == [
        ("submitted", "w"),
        ("device", "w"),
        ("cancel", "w"),
        ("WorkDropped", "w"),
        ("caller", "w"),
        ("release", "s"),
        ("released", "s"),
    ]


def test_work_that_is_refused_was_asked_for_and_failed() -> None:
    submitter, device, told = make()
    device.refuses = True
    with pytest.raises(OverloadedError):
        submitter.submit(make_work("w"), lambda _: None)
    assert told == [("submitted", "w"), (WorkFailed.__name__, "w")]
