"""Work items and a scripted engine for the scheduler's tests."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    Work,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkTiming,
)
from speech_service.protocols import Submitter

MODEL = "scripted"


def make_work(
    work_id: str,
    work_class: WorkClass = WorkClass.UNARY,
    *,
    stream: str = "",
    segment_id: int = 0,
    ms: int = 100,
    model: str = MODEL,
    deadline_s: float | None = None,
    context: str = "",
) -> RecognizeWork:
    """A PARTIAL if its class is STREAM_PARTIAL, else a FINAL; a stream of its own unless named."""
    partial = work_class is WorkClass.STREAM_PARTIAL
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey(stream or work_id, 0, segment_id),
        kind=RecognizeKind.PARTIAL if partial else RecognizeKind.FINAL,
        work_class=work_class,
        samples=np.zeros(ms * 16, np.float32),
        model=model,
        deadline_s=deadline_s,
        context=context,
    )


def make_speech(
    work_id: str, ahead_ms: int = 0, work_class: WorkClass = WorkClass.STREAM_FINAL
) -> SynthesizeWork:
    """A piece of a stream of its own; its listener has so much to hear before it."""
    return SynthesizeWork(
        work_id=work_id,
        stream_id=work_id,
        work_class=work_class,
        model=MODEL,
        text="Good morning.",
        voice="v",
        ahead_ms=ahead_ms,
    )


class ScriptedEngine:
    """Takes ``steps`` steps per item; can be held before a step, or told to fail."""

    def __init__(
        self, max_batch: int = 1, steps: int = 1, step_s: float = 0.0, pauses: bool = False
    ) -> None:
        self._pauses = pauses
        self._classes: dict[str, WorkClass] = {}
        self.stepped: deque[list[str]] = deque(maxlen=200)
        """Who took part in each of the last steps."""
        self._max_batch = max_batch
        self._steps = steps
        self._step_s = step_s
        self.gate = threading.Event()
        self.gate.set()
        self.items: dict[str, int] = {}
        self.admitted: list[str] = []
        self.aborted: list[str] = []
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.step_error: Exception | None = None
        self.admit_error_for: set[str] = set()

    @property
    def capabilities(self) -> ModelCapabilities:
        """Only ``max_batch`` matters."""
        return ModelCapabilities(
            MODEL,
            ModelKind.RECOGNIZER,
            ("en",),
            16_000,
            20_000,
            max_batch=self._max_batch,
            pauses=self._pauses,
        )

    def admit(self, work: Work) -> None:
        """Take the item."""
        self.threads.add(threading.get_ident())
        self.admitted.append(work.work_id)
        if work.work_id in self.admit_error_for:
            raise RuntimeError("cannot admit")
        self.items[work.work_id] = self._steps
        self._classes[work.work_id] = work.work_class

    def step(self) -> Sequence[WorkEvent]:
        """One step of all items."""
        self.threads.add(threading.get_ident())
        self.gate.wait(10)
        if self._step_s:
            time.sleep(self._step_s)
        self.batches.append(len(self.items))
        if self.step_error is not None:
            error, self.step_error = self.step_error, None
            raise error
        events: list[WorkEvent] = []
        urgent = min((self._classes[work_id] for work_id in self.items), default=None)
        stepped = [i for i in self.items if not self._pauses or self._classes[i] is urgent]
        self.stepped.append(stepped)
        for work_id in stepped:
            self.items[work_id] -= 1
            if self.items[work_id] <= 0:
                del self.items[work_id], self._classes[work_id]
                timing = WorkTiming(decode_steps=self._steps, draft_proposed=3, draft_accepted=2)
                events.append(WorkDone(work_id, Hypothesis("text"), timing))
        return events

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self.threads.add(threading.get_ident())
        self.aborted.append(work_id)
        self.items.pop(work_id, None)
        self._classes.pop(work_id, None)


class Outcomes:
    """Collects terminal events and lets tests wait for them."""

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter
        self.events: dict[str, WorkEvent] = {}
        self.order: list[str] = []
        self._changed = asyncio.Event()

    def submit(self, *works: Work) -> None:
        """Submit the works, in order."""
        for work in works:
            self._submitter.submit(work, self._on_event)

    async def wait(self, *work_ids: str, timeout_s: float = 60) -> list[WorkEvent]:
        """The events of the works, once all are there."""
        async with asyncio.timeout(timeout_s):
            while not all(work_id in self.events for work_id in work_ids):
                self._changed.clear()
                await self._changed.wait()
        return [self.events[work_id] for work_id in work_ids]

    def _on_event(self, event: WorkEvent) -> None:
        assert event.work_id not in self.events, "one terminal event each"
        self.events[event.work_id] = event
        self.order.append(event.work_id)
        self._changed.set()


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until ``condition()`` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)  # what is waited for may lie in another thread or process
