"""The small protocols that layers meet at. Four methods or fewer each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from speech_service.domain.audio import Samples
from speech_service.domain.call import Call
from speech_service.domain.models import ModelCapabilities, ModelStatus, UnloadOutcome, WorkerStatus
from speech_service.domain.work import Work, WorkEvent

OnWorkEvent = Callable[[WorkEvent], None]


class Engine(Protocol):
    """One model on one device lane. Only the lane's thread calls it.

    ``step`` advances every admitted sequence by one device step (an autoregressive engine) or runs the admitted
    batch (a one-shot engine) and returns what ended. An engine turns a failure of one item into ``WorkFailed``
    for that item; an exception out of ``step`` is a bug, and fails every admitted item. DeviceLostError, out of any
    method, says that the device computes nothing any more for this process: it ends the process.
    """

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the model can do; ``max_batch`` bounds how many items may be admitted at once, but for a live one where
        it ``pauses``.
        """
        ...

    def admit(self, work: Work) -> None:
        """Take work in; it takes part from the next ``step`` on."""
        ...

    def step(self) -> Sequence[WorkEvent]:
        """Advance all admitted work by one step and return the events of items that ended."""
        ...

    def abort(self, work_id: str) -> None:
        """Forget the item and free what it holds. Unknown ids are ignored."""
        ...


class Submitter(Protocol):
    """Takes work to a device: the scheduler in this process, or a worker process.

    Exactly one terminal event per accepted work item reaches ``on_event``, on the event loop's thread.
    """

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Queue the work.

        Raises:
            OverloadedError: the queue is full.
            UnavailableError: the service drains or the worker cannot be started.
        """
        ...

    def cancel(self, work_id: str) -> None:
        """Give the work up: within one step when it runs, at once when it waits."""
        ...

    def release(self, stream_id: str) -> None:
        """The stream is over: forget whatever is kept for it."""
        ...


class WorkListener(Protocol):
    """Told of all work that passes a submitter, on the event loop's thread."""

    def submitted(self, work: Work) -> None:
        """The work is asked for. Its events come later."""
        ...

    def happened(self, work: Work, event: WorkEvent) -> None:
        """There is news of the work; a terminal event is the last."""
        ...

    def released(self, stream_id: str) -> None:
        """The stream is over; events of its work may still come."""
        ...


class LiveCapacity(Protocol):
    """What the devices can do, as admission wants to know it. Several workers add up."""

    def live_capacity(self, model: str) -> float:
        """Seconds of live audio, per second, that the model could keep up with, had it its device alone; 0: no such
        model.
        """
        ...

    def device(self, model: str) -> str:
        """Where it runs: models of one device take from each other."""
        ...


class ModelControl(Protocol):
    """What an operator may do with the models, wherever they run."""

    async def report(self) -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        """Every model and every worker, now."""
        ...

    async def load(self, model: str) -> float:
        """Load the model; returns milliseconds, 0 if it was loaded."""
        ...

    async def unload(self, model: str) -> Mapping[str, UnloadOutcome]:
        """Unload the model once its running work is done; returns what became of it, by the worker's name."""
        ...


class VadStream(Protocol):
    """Voice activity detection of one channel of one stream; stateful."""

    async def probabilities(self, frames: Samples) -> Samples:
        """Speech probability of each frame: float32 [k, 512] at 16 kHz -> float32 [k]."""
        ...


class Vad(Protocol):
    """Makes VAD streams; one batch serves them all."""

    def open(self) -> VadStream:
        """Start with a fresh state."""
        ...


class Observer(Protocol):
    """Hooks that the core reports through; observability implements them, the core imports no library."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one observation of a histogram (units are in the name)."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...


class CallObserver(Protocol):
    """Told of every RPC: metrics, tracing, the access log."""

    def call_started(self, call: Call) -> None:
        """The RPC was accepted; a tracer may change ``call.traceparent``."""
        ...

    def call_ended(self, call: Call, code: str) -> None:
        """The RPC is over with this canonical code name."""
        ...


class NullObserver:
    """Observes nothing."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Ignore."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Ignore."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Ignore."""


class Span(Protocol):
    """One span of a trace."""

    @property
    def traceparent(self) -> str:
        """W3C traceparent of this span; "" where tracing is off."""
        ...

    def end(self, end_s: float | None = None, **attributes: str | int | float) -> None:
        """End it, now or at a ``time.time()`` value. Ending twice is harmless."""
        ...


class Tracer(Protocol):
    """Starts spans."""

    def start(
        self,
        name: str,
        parent: str = "",
        start_s: float | None = None,
        **attributes: str | int | float,
    ) -> Span:
        """Start a span under W3C ``parent``, now or at a ``time.time()`` value."""
        ...


class NullSpan:
    """A span of a tracer that is off."""

    traceparent = ""

    def end(self, end_s: float | None = None, **attributes: str | int | float) -> None:
        """Ignore."""


class NullTracer:
    """Tracing is off."""

    _span = NullSpan()

    def start(
        self,
        name: str,
        parent: str = "",
        start_s: float | None = None,
        **attributes: str | int | float,
    ) -> Span:
        """Ignore."""
        del name, parent, start_s, attributes
        return self._span
