"""What live streams ask of the devices, and whether there is room for one more. Pure but for its clock.

A live stream in which somebody speaks all the time asks for one second of audio per second of each model that it needs.
How much of it is speech is learned stream by stream: all of it at first, and never less than a share, because silent
streams may all begin to speak. The load of a device is the sum over its models of what is asked over what the model can
do (``protocols.LiveCapacity``).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from speech_service.dispatch.capacity import FreshAudio
from speech_service.domain.errors import OverloadedError
from speech_service.domain.work import SynthesizeWork, Work, WorkAudio, WorkEvent
from speech_service.protocols import LiveCapacity, Observer

_MEMORY_S = 60.0
_DOUBT_S = 10.0
"""Seconds that the assumption weighs that a stream is all speech."""
_LEAST_HEARD = 0.5
"""Of a stream that is listened to, counted as speech however silent it is. If all speak at once, twice the load that
was foreseen comes: then partials give way, which are most of it, and FINALs stay in time."""
_LEAST_SPOKEN = 0.25
"""Of a stream that speaks: its piece of speech may wait while the one before is heard."""
_FIRST_RETRY_S = 1.0
_RETRY_SPACING_S = 0.05
_LAST_RETRY_S = 10.0
_REFRESH_S = 0.25
"""How old what is known of demand may be: to look at every stream for each of a thousand that are refused costs more
than they would."""


class _SpeechShare:
    """Seconds of speech per second of one stream, of late."""

    def __init__(self, now_s: float) -> None:
        self._at_s = now_s
        self._speech_s = _DOUBT_S
        self._time_s = _DOUBT_S

    def spoke(self, speech_s: float, now_s: float) -> None:
        self._advance(now_s)
        self._speech_s += speech_s

    def at(self, now_s: float) -> float:
        self._advance(now_s)
        return self._speech_s / self._time_s

    def _advance(self, now_s: float) -> None:
        passed_s, self._at_s = max(0.0, now_s - self._at_s), now_s
        keep = math.exp(-passed_s / _MEMORY_S)
        self._speech_s *= keep
        self._time_s = self._time_s * keep + _MEMORY_S * (1 - keep)


_GOES_ON = 2.0
"""Times the capacity that streams may ask for which were cut off elsewhere: half of the servers may be gone. Partials
give way to FINALs then."""


@dataclass(slots=True)
class _Asking:
    """What a stream asks of a model: how much of its time is speech, and what was made of that last."""

    share: _SpeechShare
    demand: float


@dataclass(frozen=True, slots=True)
class LiveAsk:
    """What a stream needs a model for: to hear ``channels`` of audio, or, where it is 0, to speak."""

    model: str
    channels: int = 1

    def demand(self, share: float) -> float:
        """Seconds of audio per second that it asks for, where ``share`` of its time is speech."""
        if not self.channels:
            return min(1.0, max(_LEAST_SPOKEN, share))
        return max(_LEAST_HEARD, share) * self.channels


class LiveLoad:
    """Of the live streams that are open. Is told of all work (``protocols.WorkListener``)."""

    def __init__(
        self,
        capacity: LiveCapacity,
        headroom: float,
        clock: Callable[[], float],
        observer: Observer,
    ) -> None:
        """``headroom``: times the capacity that streams may ask for; ``clock``: seconds that only grow."""
        self._capacity = capacity
        self._headroom = headroom
        self._clock = clock
        self._observer = observer
        self._streams: dict[str, dict[LiveAsk, _Asking]] = {}
        self._demand: dict[str, float] = {}
        """Seconds of audio per second, by model; of all that streams have ever asked for."""
        self._refreshed_s = clock()
        self._fresh = FreshAudio()
        self._next_retry_s = clock()

    @property
    def is_empty(self) -> bool:
        """No live stream is open."""
        return not self._streams

    def has_room(self, asks: Iterable[LiveAsk], *, goes_on: bool = False) -> bool:
        """Whether a stream that asks for so much more can be kept up with. The first one on a device always can.

        ``goes_on``: it is one that was cut off, and is better late than lost.
        """
        bound = max(_GOES_ON, self._headroom) if goes_on else self._headroom
        loads = self._loads()
        more: dict[str, float] = {}
        for ask in asks:
            device = self._capacity.device(ask.model)
            more[device] = more.get(device, 0.0) + self._load_of(ask.model, ask.demand(1.0))
        return all(
            device not in loads or loads[device] + load <= bound for device, load in more.items()
        )

    def opened(self, stream_id: str, asks: Iterable[LiveAsk]) -> None:
        """The stream is open; it is taken to speak all the time until it shows otherwise."""
        now_s = self._clock()
        asking = {ask: _Asking(_SpeechShare(now_s), ask.demand(1.0)) for ask in asks}
        self._streams[stream_id] = asking
        for ask, each in asking.items():
            self._demand[ask.model] = self._demand.get(ask.model, 0.0) + each.demand

    def closed(self, stream_id: str) -> None:
        """The stream is over. Harmless twice."""
        self._fresh.forget(stream_id)
        for ask, each in self._streams.pop(stream_id, {}).items():
            self._demand[ask.model] -= each.demand
        if not self._streams:
            self._demand = dict.fromkeys(self._demand, 0.0)  # without what rounding left

    def refusal(self, asks: Iterable[LiveAsk]) -> OverloadedError:
        """What a stream is told for which there is no room."""
        model = next((ask.model for ask in asks), "")
        figures: dict[str, str] = {}
        if model:
            figures["live_demand"] = f"{self._demand.get(model, 0.0):.1f}"
            figures["live_capacity"] = f"{self._capacity.live_capacity(model):.1f}"
        return OverloadedError(
            "live streams ask for all that the server can do now; retry later, or on another server",
            reason="OVER_CAPACITY",
            retry_after_ms=self.retry_after_ms(),
            metadata=figures,
        )

    def retry_after_ms(self) -> int:
        """When one that is refused may try again: those refused together do not come back together."""
        now_s = self._clock()
        at_s = max(self._next_retry_s, now_s + _FIRST_RETRY_S)
        self._next_retry_s = min(at_s + _RETRY_SPACING_S, now_s + _LAST_RETRY_S)
        return round((at_s - now_s) * 1000)

    @property
    def share_taken(self) -> float:
        """Of what may be asked of the fullest device, how much is; 1: the next stream is refused."""
        return max(self._loads().values(), default=0.0) / self._headroom

    def report(self) -> None:
        """Show what can be done, and what is asked for."""
        self._refresh()
        for model, demand in self._demand.items():
            capacity = self._capacity.live_capacity(model)
            self._observer.gauge("speech_live_capacity", capacity, model=model)
            self._observer.gauge("speech_live_demand", demand, model=model)

    # --- WorkListener ---

    def submitted(self, work: Work) -> None:
        """As of ``WorkListener``."""
        if not isinstance(work, SynthesizeWork) and work.stream_id in self._streams:
            self._spoke(work, self._fresh.of(work) / 1000)

    def happened(self, work: Work, event: WorkEvent) -> None:
        """As of ``WorkListener``."""
        if isinstance(event, WorkAudio):
            self._spoke(work, len(event.samples) / event.sample_rate_hz)

    def released(self, stream_id: str) -> None:
        """As of ``WorkListener``: ``closed`` comes when its call is over."""

    def _spoke(self, work: Work, speech_s: float) -> None:
        now_s = self._clock()
        for ask, asking in self._streams.get(work.stream_id, {}).items():
            if ask.model == work.model:
                asking.share.spoke(speech_s / max(1, ask.channels), now_s)

    def _refresh(self) -> None:
        """Ask the streams again how much of their time is speech."""
        now_s = self._clock()
        if 0 <= now_s - self._refreshed_s < _REFRESH_S:
            return
        self._refreshed_s = now_s
        demand = dict.fromkeys(self._demand, 0.0)
        for asking in self._streams.values():
            for ask, each in asking.items():
                each.demand = ask.demand(each.share.at(now_s))
                demand[ask.model] += each.demand
        self._demand = demand

    def _loads(self) -> Mapping[str, float]:
        """Share of each device that is asked for; of those that nobody asks for anything, nothing."""
        self._refresh()
        loads: dict[str, float] = {}
        for model, demand in self._demand.items():
            if demand > 0:
                device = self._capacity.device(model)
                loads[device] = loads.get(device, 0.0) + self._load_of(model, demand)
        return loads

    def _load_of(self, model: str, demand: float) -> float:
        capacity = self._capacity.live_capacity(model)
        return demand / capacity if capacity > 0 else math.inf
