"""One Run stream without a socket: audio on request, cancels, refusals."""

import numpy as np

from speech.internal.v1 import work_pb2
from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers import wire
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
    """A stream between a list of responses and a submitter that does nothing by itself."""

    def __init__(self) -> None:
        self.responses: list[pb.RunEvent] = []
        self.works: dict[str, tuple[Work, OnWorkEvent]] = {}
        self.refuse = False
        self.audio = AudioStore(10**6)
        self.stream = RunStream("run1", self, self.audio, self.responses.append)

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

    def kinds(self) -> list[str | None]:
        """What was sent, by kind."""
        return [response.WhichOneof("event") for response in self.responses]


WORK = make_work("w", WorkClass.STREAM_FINAL, stream="s", ms=10)
AUDIO = wire.encode_audio(WORK.segment, WORK.samples, 0, len(WORK.samples))
SUBMIT = wire.encode_submit(WORK, 5)
CANCEL = pb.RunCommand(cancel=work_pb2.CancelWork(work_id=5))


def test_audio_then_work_then_result() -> None:
    bench = Bench()
    for request in (*AUDIO, SUBMIT):
        bench.stream.handle(request)
    work, on_event = bench.works.pop("run1/5")
    assert isinstance(work, RecognizeWork)
    assert np.array_equal(work.samples, WORK.samples)
    on_event(WorkDone("run1/5", Hypothesis("hello"), WorkTiming()))
    assert bench.responses[0].done.work_id == 5
    bench.stream.handle(wire.encode_release(WORK.segment))
    assert len(bench.audio) == 0


def test_missing_audio_is_asked_for_and_the_work_waits() -> None:
    bench = Bench()
    bench.stream.handle(SUBMIT)
    assert bench.kinds() == ["need_audio"]
    assert not bench.works
    for request in AUDIO:
        bench.stream.handle(request)
    assert list(bench.works) == ["run1/5"]
    assert bench.kinds() == ["need_audio"]


def test_cancel_while_it_waits_for_audio() -> None:
    bench = Bench()
    bench.stream.handle(SUBMIT)
    bench.stream.handle(CANCEL)
    for request in AUDIO:
        bench.stream.handle(request)
    assert bench.kinds() == ["need_audio", "dropped"]
    assert not bench.works


def test_refusal_is_an_outcome_and_close_gives_everything_up() -> None:
    bench = Bench()
    bench.refuse = True
    for request in (*AUDIO, SUBMIT):
        bench.stream.handle(request)
    assert bench.responses[0].failed.reason == "OVERLOADED"
    bench.refuse = False
    bench.stream.handle(SUBMIT)
    bench.stream.close()
    assert not bench.works
    assert len(bench.audio) == 0


def test_a_message_that_cannot_be_taken_costs_its_own_work_only() -> None:
    bench = Bench()
    odd = pb.RunCommand(submit=work_pb2.SubmitWork(work_id=7))  # work of no kind
    bench.stream.handle(odd)
    (response,) = bench.responses
    assert (response.WhichOneof("event"), response.failed.work_id) == ("failed", 7)
    for command in (*AUDIO, SUBMIT):
        bench.stream.handle(command)
    assert list(bench.works) == ["run1/5"]
