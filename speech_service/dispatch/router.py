"""Which worker does a piece of work, where there are several.

A stream stays with the worker that has its audio and its caches. What a worker that died had not finished goes to
another that runs, or else waits for its successor. All methods belong to the event loop's thread.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from speech_service.dispatch.workers.outbox import OutboxItem
from speech_service.domain.errors import (
    OverloadedError,
    ResourceNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_service.domain.models import WorkerState
from speech_service.domain.work import Work, WorkAudio, WorkEvent, WorkFailed
from speech_service.protocols import OnWorkEvent, Submitter

LOST = frozenset({WorkerState.RESTARTING, WorkerState.FAILED})
CROWDED_MS = 10_000
"""Speech in outstanding work, beyond twice that of the worker with the least, from which streams leave a worker."""
LOAD_FAILED = "MODEL_LOAD_FAILED"
RELOAD_S = 30.0
"""A worker that could not load a model gets no work for it so long, where another can do it."""

OnOutcome = Callable[[str, Work, WorkEvent], None]
"""Told the name of the worker, the work, and how it ended."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A worker as the decision sees it. ``outstanding_ms``: speech in the work that it was given and has not ended.
    ``streams``: those whose home it is.
    """

    name: str
    models: Collection[str]
    state: WorkerState = WorkerState.READY
    healthy: bool = True
    outstanding_ms: int = 0
    cannot_load: Collection[str] = ()
    """Models that it has just failed to load."""
    streams: int = 0

    @property
    def can_work(self) -> bool:
        """Whether work can be expected to succeed there, be it after a start."""
        return self.healthy and self.state not in LOST

    @property
    def runs(self) -> bool:
        """Whether it works already."""
        return self.healthy and self.state is WorkerState.READY


def ranked(
    workers: Sequence[Choice], model: str, homes: Sequence[str] = (), *, may_move: bool = False
) -> list[Choice]:
    """The workers that serve the model, best first.

    Args:
        workers: all that there are.
        model: what the work needs.
        homes: where the stream has been, the best place first. One that was stopped since has nothing left of it.
        may_move: no audio of the stream is anywhere: it leaves a home that has far more to do than others have, as one
            has that took over the streams of a worker which is back.
    """
    serving = [worker for worker in workers if model in worker.models]
    least_ms = min((worker.outstanding_ms for worker in serving if worker.runs), default=0)

    def is_home(worker: Choice) -> bool:
        is_crowded = worker.outstanding_ms > 2 * least_ms + CROWDED_MS
        is_left = worker.state is WorkerState.STOPPED or (may_move and is_crowded)
        return worker.name in homes and not is_left

    def rank(worker: Choice) -> tuple[bool, bool, bool, int, bool, int, int]:
        home = homes.index(worker.name) if is_home(worker) else len(homes)
        is_failed = worker.state is WorkerState.FAILED
        cannot = model in worker.cannot_load, not worker.can_work
        load = (
            worker.outstanding_ms,
            worker.streams,
        )  # of streams that rest, the most will soon ask for the most
        return is_failed, *cannot, home, not worker.runs, *load

    return sorted(serving, key=rank)


def wanted_beside(order: Sequence[Choice]) -> str:
    """The worker to start because the best one, which runs, is busy; "" where none is stopped, or the best is idle."""
    if not order or not order[0].runs or not order[0].outstanding_ms:
        return ""
    stopped = (w.name for w in order if w.can_work and w.state is WorkerState.STOPPED)
    return next(stopped, "")


def successor(order: Sequence[Choice], lost: Choice) -> str:
    """Who of ``order`` takes the unfinished work of a lost worker; "": it waits for the next process there."""
    others = [worker for worker in order if worker.name != lost.name]
    if lost.state is WorkerState.FAILED:
        able = (worker.name for worker in others if worker.state is not WorkerState.FAILED)
    else:
        able = (worker.name for worker in others if worker.runs)
    return next(able, "")


class RoutedWorker(Submitter, Protocol):
    """A submitter over one worker, which work can be taken from and given to."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def models(self) -> Collection[str]:
        """What it serves."""
        ...

    @property
    def state(self) -> WorkerState:
        """Where it is in its life."""
        ...

    @property
    def healthy(self) -> bool:
        """Whether work can be expected to succeed."""
        ...

    def subscribe(self, callback: Callable[[WorkerState], None]) -> Callable[[], None]:
        """Call ``callback`` with every new state."""
        ...

    def subscribe_health(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call ``callback`` with every change of health."""
        ...

    def wake(self) -> None:
        """Start it."""
        ...

    def give_back(self, work_id: str) -> OutboxItem | None:
        """Forget work that its process does not have; None: it has it, or the work has ended."""
        ...

    def take_over(self, item: OutboxItem) -> None:
        """Accept work of another worker."""
        ...


@dataclass(slots=True)
class _Routed:
    """Work that has not ended, and the worker that has it."""

    work: Work
    on_event: OnWorkEvent
    stream: "_RoutedStream"
    worker: str
    cost_ms: int


@dataclass(slots=True)
class _RoutedStream:
    """Where the work for each model of a stream went last, and what ties the stream to that place."""

    homes: dict[str, str] = field(default_factory=dict[str, str])
    under_way: int = 0
    has_open_segment: bool = False
    is_over: bool = False

    @property
    def may_move(self) -> bool:
        """Whether no worker has anything of it that another lacks."""
        return not self.under_way and not self.has_open_segment

    def homes_for(self, model: str) -> list[str]:
        """Where work for the model goes best, first."""
        first = [self.homes[model]] if model in self.homes else []
        return [*first, *self.homes.values()]


@dataclass(slots=True)
class _WorkerLoad:
    """What a worker was given and has not ended, by work id in order."""

    works: dict[str, _Routed] = field(default_factory=dict[str, _Routed])
    cost_ms: int = 0
    streams: set[str] = field(default_factory=set[str])
    """Ids of those whose home it is, for one model at least."""


class Router:
    """Implements ``Submitter`` over several workers."""

    def __init__(
        self, workers: Sequence[RoutedWorker], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """``workers`` have names of their own; the first is preferred where nothing else decides."""
        self._now_s = now_s
        self._failed_loads: dict[tuple[str, str], float] = {}
        """When a worker could not load a model, by their names."""
        self._workers: Mapping[str, RoutedWorker] = {worker.name: worker for worker in workers}
        self._loads = {name: _WorkerLoad() for name in self._workers}
        self._works: dict[str, _Routed] = {}
        self._streams: dict[str, _RoutedStream] = {}
        self._watchers: list[OnOutcome] = []
        for worker in workers:
            worker.subscribe(lambda _: self._rescue())
            worker.subscribe_health(lambda _: self._rescue())

    def watch(self, on_outcome: OnOutcome) -> None:
        """Have ``on_outcome`` told of the end of every piece of work, before its caller is."""
        self._watchers.append(on_outcome)

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Give the work to a worker; one that refuses it is no reason not to ask the next.

        Raises:
            OverloadedError: too much waits, at each worker that could do it.
            ResourceNotFoundError: no worker serves the model.
            UnavailableError: the workers are closed, or crash again and again.
            ValueError: the work id is in use.
        """
        if work.work_id in self._works:
            raise ValueError(f"work id {work.work_id} is in use")
        stream = self._streams.get(work.stream_id) or _RoutedStream()
        homes, may_move = stream.homes_for(work.model), stream.may_move
        order = ranked(self._choices(), work.model, homes, may_move=may_move)
        if not order:
            known = sorted({model for worker in self._workers.values() for model in worker.models})
            raise ResourceNotFoundError("model", work.model, f"Known here: {', '.join(known)}.")
        routed = _Routed(work, on_event, stream, order[0].name, max(1, work.cost_ms))
        self._submit_to(order, routed)
        self._streams[work.stream_id] = stream
        stream.under_way += 1
        stream.has_open_segment = work.audio is not None and not work.is_last
        if not homes and (beside := wanted_beside(order)):
            self._workers[beside].wake()

    def cancel(self, work_id: str) -> None:
        """Give the work up."""
        routed = self._works.get(work_id)
        if routed is not None:
            self._workers[routed.worker].cancel(work_id)

    def release(self, stream_id: str) -> None:
        """The stream is over: no worker keeps anything of it."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.is_over = True
            for name in stream.homes.values():
                self._loads[name].streams.discard(stream_id)
        for worker in self._workers.values():
            worker.release(stream_id)

    def _submit_to(self, order: Sequence[Choice], routed: _Routed) -> None:
        refusal: OverloadedError | UnavailableError | None = None
        for choice in order:
            try:
                self._workers[choice.name].submit(routed.work, partial(self._on_event, routed))
            except (OverloadedError, UnavailableError) as error:
                refusal = refusal or error
                continue
            self._works[routed.work.work_id] = routed
            self._assign(routed, choice.name)
            return
        raise refusal or UnavailableError("no worker can do the work", reason="WORKER_LOST")

    def _rescue(self) -> None:
        """A worker changed its state or health: see to what lost ones have left undone."""
        for lost in self._choices():
            if lost.state in LOST and self._loads[lost.name].works:
                self._move_from(lost)

    def _move_from(self, lost: Choice) -> None:
        """One after the other, as each makes its new worker busier."""
        for work_id, routed in list(self._loads[lost.name].works.items()):
            work = routed.work
            order = ranked(self._choices(), work.model, routed.stream.homes_for(work.model))
            name = successor([each for each in order if work.model not in each.cannot_load], lost)
            item = self._workers[lost.name].give_back(work_id) if name else None
            if item is not None:  # else it has ended, and its caller hears so in a moment
                self._assign(routed, name)
                self._workers[name].take_over(item)

    def _assign(self, routed: _Routed, name: str) -> None:
        self._forget(routed)
        routed.worker = name
        self._loads[name].works[routed.work.work_id] = routed
        self._loads[name].cost_ms += routed.cost_ms
        self._settle(routed.work, routed.stream, name)

    def _settle(self, work: Work, stream: _RoutedStream, name: str) -> None:
        """Make the worker the home of the stream, for the model of the work."""
        left = stream.homes.get(work.model, name)
        stream.homes[work.model] = name
        if left not in stream.homes.values():
            self._loads[left].streams.discard(work.stream_id)
        if not stream.is_over:
            self._loads[name].streams.add(work.stream_id)

    def _forget(self, routed: _Routed) -> None:
        load = self._loads[routed.worker]
        if load.works.pop(routed.work.work_id, None) is not None:
            load.cost_ms -= routed.cost_ms

    def _on_event(self, routed: _Routed, event: WorkEvent) -> None:
        if isinstance(event, WorkFailed) and self._is_done_elsewhere(routed, event):
            return
        if not isinstance(event, WorkAudio):
            del self._works[routed.work.work_id]
            self._forget(routed)
            routed.stream.under_way -= 1
            for on_outcome in self._watchers:
                on_outcome(routed.worker, routed.work, event)
        routed.on_event(event)

    def _is_done_elsewhere(self, routed: _Routed, event: WorkFailed) -> bool:
        """Work that failed because its model cannot be loaded in one worker goes to the next that may load it."""
        if event.error.reason != LOAD_FAILED:
            return False
        work = routed.work
        self._failed_loads[routed.worker, work.model] = self._now_s()
        order = ranked(self._choices(), work.model, routed.stream.homes_for(work.model))
        able = [each for each in order if each.can_work and work.model not in each.cannot_load]
        try:
            self._submit_to(able, routed)
        except SpeechError:
            return False
        return True

    def _choices(self) -> list[Choice]:
        since_s = self._now_s() - RELOAD_S
        failed = [key for key, at_s in self._failed_loads.items() if at_s > since_s]
        return [
            Choice(
                name,
                worker.models,
                worker.state,
                worker.healthy,
                self._loads[name].cost_ms,
                [model for owner, model in failed if owner == name],
                len(self._loads[name].streams),
            )
            for name, worker in self._workers.items()
        ]
