"""The work of a front end without a socket: audio on request, cancels, refusals."""

import dataclasses
import time
from typing import Any

import msgspec
import numpy as np

from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.codec import Tagged
from speech_service.dispatch.workers.messages import (
    AudioWanted,
    CancelledWork,
    DroppedWork,
    FailedWork,
    FinishedWork,
    FromWorker,
    NewWork,
    SegmentOver,
)
from speech_service.domain.errors import OverloadedError
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeWork,
    Work,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkTiming,
)
from speech_service.protocols import OnWorkEvent
from speech_service.worker.audio_store import AudioStore
from speech_service.worker.run_stream import RunStream
from tests.unit.dispatch.builders import make_work


class Bench:
    """A stream between a list of messages and a submitter that does nothing by itself."""

    def __init__(self) -> None:
        self.said: list[FromWorker] = []
        self.works: dict[str, tuple[Work, OnWorkEvent]] = {}
        self.refuse = False
        self.audio = AudioStore(10**6)
        self.stream = RunStream(self, self.audio, self._hear)

    def _hear(self, message: bytes) -> None:
        for frame in codec.frames([message]):
            self.said.extend(messages.read_from_worker(frame))

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Keep it."""
        if self.refuse:
            raise OverloadedError("full")
        self.works[work.work_id] = (work, on_event)

    def cancel(self, work_id: str) -> None:
        """Drop it."""
        if work_id in self.works:
            _, on_event = self.works.pop(work_id)
            on_event(WorkDropped(work_id, DropReason.CANCELLED))

    def release(self, stream_id: str) -> None:
        """Nothing."""

    def take(self, *new: Any) -> None:
        """The front end says something."""
        for message in new:
            self.stream.handle(message)


WORK = make_work("w", WorkClass.STREAM_FINAL, stream="s", ms=10)
AUDIO = list(messages.audio_messages(WORK.segment, WORK.samples, 0, len(WORK.samples)))
NEW = messages.work_message(WORK, 5)
CANCEL = CancelledWork(5)


def test_audio_then_work_then_result() -> None:
    bench = Bench()
    bench.take(*AUDIO, NEW)
    work, on_event = bench.works.pop("5")
    assert isinstance(work, RecognizeWork)
    assert np.array_equal(work.samples, WORK.samples)
    on_event(WorkDone("5", Hypothesis("hello"), WorkTiming()))
    assert isinstance(bench.said[0], FinishedWork)
    assert bench.said[0].number == 5
    bench.take(SegmentOver(WORK.segment))
    assert len(bench.audio) == 0


def test_missing_audio_is_asked_for_and_the_work_waits() -> None:
    bench = Bench()
    bench.take(NEW)
    assert bench.said == [AudioWanted(5)]
    assert not bench.works
    bench.take(*AUDIO)
    assert list(bench.works) == ["5"]
    assert bench.said == [AudioWanted(5)]


def test_a_deadline_does_not_move_while_audio_is_awaited() -> None:
    bench = Bench()
    until_s = time.monotonic() + 100
    late = messages.work_message(dataclasses.replace(WORK, deadline_s=until_s), 6)
    bench.take(late)
    time.sleep(0.02)
    bench.take(*AUDIO)
    deadline_s = bench.works["6"][0].deadline_s
    assert deadline_s is not None
    assert deadline_s < time.monotonic() + 100 - 0.02 + 1e-3


def test_cancel_while_it_waits_for_audio() -> None:
    bench = Bench()
    bench.take(NEW, CANCEL, *AUDIO)
    assert bench.said == [AudioWanted(5), DroppedWork(5, DropReason.CANCELLED)]
    assert not bench.works


def test_refusal_is_an_outcome_and_close_gives_everything_up() -> None:
    bench = Bench()
    bench.refuse = True
    bench.take(*AUDIO, NEW)
    (failed,) = bench.said
    assert isinstance(failed, FailedWork)
    assert isinstance(codec.unpack_error(failed.error), OverloadedError)
    bench.refuse = False
    bench.take(NEW)
    bench.stream.close()
    assert not bench.works
    assert len(bench.audio) == 0


def test_work_that_makes_no_sense_costs_itself_only() -> None:
    bench = Bench()
    bench.take(NewWork(7, Tagged("NoSuchWork", msgspec.Raw(b"\xc0")), 0, None))
    (failed,) = bench.said
    assert isinstance(failed, FailedWork)
    assert failed.number == 7
    bench.take(*AUDIO, NEW)
    assert list(bench.works) == ["5"]


def test_an_outcome_that_cannot_be_sent_fails_its_work_only() -> None:
    bench = Bench()
    bench.take(*AUDIO, NEW)
    _, on_event = bench.works.pop("5")
    on_event(WorkDone("5", Hypothesis("\ud800"), WorkTiming()))
    assert [(type(each), each.number) for each in bench.said] == [(FailedWork, 5)]
