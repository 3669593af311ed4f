"""How much live audio the workers can keep up with, learned from what they do. Pure but for its clock.

For each model one number is estimated: seconds that a lane spends on one second of live audio. For recognition that is

    sum over FINAL and PARTIAL of (lane seconds per second of audio decoded) * (audio asked to be decoded)
    / (audio that was new)

Both factors are sums that forget. Seconds of lanes come with outcomes (``WorkTiming.lane_ms``), so loading a model,
waiting in a queue and giving way cost nothing. What was *asked* counts, whatever became of it: a partial that is
superseded because there was no time for it is dear as ever, and a lane that drops work is not a fast one. Only speech
is asked for, so silence that voice activity detection kept back costs nothing and proves nothing.

Lanes of several workers add up. Where the workers differ, the cost is the mean of theirs by what each did; as work goes
to who has least to do, that is by what each can do, and lanes over mean cost are just the sum of what each can do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from speech_service.dispatch.device import LanePlan
from speech_service.dispatch.policy import LIVE_CLASSES
from speech_service.domain.models import ModelKind
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
)

CPU = "cpu"
"""The device of models whose lanes share the cores."""
_STREAMS_PER_CORE = {ModelKind.RECOGNIZER: 8.0, ModelKind.SYNTHESIZER: 20.0}
_STREAMS_PER_ACCELERATOR = {ModelKind.RECOGNIZER: 48.0, ModelKind.SYNTHESIZER: 32.0}
_OTHERS_PER_LANE = 20.0
"""What a lane is taken for before anything is known of it: streams of people who speak all the time. Low on purpose:
it is what a service that has just started admits at once, and seconds of speech correct it."""
_PARTIALS = 5.0
"""Seconds of audio asked of partials for one that is new, before it is known: half a second apart, in segments of five
seconds."""
_DOUBT_S = 5.0
"""Seconds of audio that the assumption weighs."""
_MEMORY_S = 60.0
"""Seconds of audio that the estimate remembers at least; ``_MEMORY_FULL_S`` of a full device where that is more."""
_MEMORY_FULL_S = 3.0
_FORGET_S = 300.0
"""Seconds after which what was learned of a model that does nothing counts half: machines change."""
_OPEN_SEGMENTS = 64
"""Segments of a stream of which more audio may come: those that are open, and those whose FINAL is asked for again."""
_OUTLIER = 4.0
"""A piece that took longer than so many times what was expected counts as that. One slow piece says little; a device
that has become slow goes on saying so."""


class FreshAudio:
    """Audio of a segment comes back with every partial; this tells what is new. ``forget`` a stream that ended."""

    def __init__(self) -> None:
        self._seen_ms: dict[str, dict[SegmentKey, int]] = {}

    def of(self, work: Work) -> int:
        """Milliseconds of the work's audio that no work before had."""
        if not isinstance(work, RecognizeWork):
            return work.cost_ms
        seen = self._seen_ms.setdefault(work.stream_id, {})
        before_ms = seen.get(work.segment, 0)
        seen[work.segment] = max(before_ms, work.cost_ms)
        while len(seen) > _OPEN_SEGMENTS:
            del seen[next(iter(seen))]
        return max(0, work.cost_ms - before_ms)

    def forget(self, stream_id: str) -> None:
        """Nothing more comes of it."""
        self._seen_ms.pop(stream_id, None)


@dataclass(slots=True)
class _Pace:
    """Seconds of a lane, and of audio, that one kind of work took of late."""

    lane_s: float = 0.0
    audio_s: float = 0.0
    piece_s: float = 0.0
    """Of the lane, for one piece, on average."""

    def ratio(self, assumed: float) -> float:
        """Seconds of a lane per second of audio; ``assumed`` as far as little is known."""
        return (self.lane_s + assumed * _DOUBT_S) / (self.audio_s + _DOUBT_S)

    def done(self, lane_s: float, audio_s: float, memory_s: float) -> None:
        keep = max(0.0, 1 - audio_s / memory_s)
        self.lane_s = self.lane_s * keep + lane_s
        self.audio_s = self.audio_s * keep + audio_s
        self.piece_s += (lane_s - self.piece_s) / 16

    def fade(self, keep: float) -> None:
        self.lane_s *= keep
        self.audio_s *= keep


class _ModelCost:
    """What one model costs. ``lanes``: that it has; ``prior``: streams that a lane holds before anything is known."""

    def __init__(self, lanes: int, prior: float, partials: float) -> None:
        self._lanes = lanes
        self._prior = 1 / prior / (1 + partials)
        """Seconds of a lane per second of audio that is decoded."""
        self._partials = partials
        self._fresh_s = _DOUBT_S
        self._asked_s = self._assumed()
        self._final, self._partial = _Pace(), _Pace()

    @property
    def capacity(self) -> float:
        """Seconds of live audio per second."""
        cost = sum(asked_s * self._ratio(final) for final, asked_s in self._asked_s.items())
        return self._lanes * self._fresh_s / max(cost, 1e-9)

    def asked(self, is_final: bool, asked_s: float, fresh_s: float) -> None:
        """Live work was asked for, with ``fresh_s`` of audio that no work before had."""
        keep = max(0.0, 1 - fresh_s / self._memory_s)
        for final in self._asked_s:
            self._asked_s[final] *= keep
        self._asked_s[is_final] += asked_s
        self._fresh_s = self._fresh_s * keep + fresh_s

    def done(self, is_final: bool, lane_s: float, audio_s: float) -> None:
        """A lane did work."""
        pace = self._final if is_final else self._partial
        most_s = _OUTLIER * max(self._ratio(is_final) * audio_s, pace.piece_s)
        memory_s = self._memory_s * (1 if is_final else max(1.0, self._partials))
        pace.done(min(lane_s, most_s), audio_s, memory_s)

    def fade(self, keep: float) -> None:
        """Time passed: what was learned counts ``keep`` as much, and the rest is assumed again."""
        self._fresh_s += (_DOUBT_S - self._fresh_s) * (1 - keep)
        for final, assumed_s in self._assumed().items():
            self._asked_s[final] += (assumed_s - self._asked_s[final]) * (1 - keep)
        self._final.fade(keep)
        self._partial.fade(keep)

    def _ratio(self, is_final: bool) -> float:
        """A kind of which little was done (no partial, because none had its turn) is taken to cost what others do."""
        final, partial = self._final, self._partial
        both = _Pace(final.lane_s + partial.lane_s, final.audio_s + partial.audio_s)
        return (final if is_final else partial).ratio(both.ratio(self._prior))

    def _assumed(self) -> dict[bool, float]:
        """Audio asked for, by whether of FINALs, before anything is known."""
        return {True: _DOUBT_S, False: _DOUBT_S * self._partials}

    @property
    def _memory_s(self) -> float:
        return max(_MEMORY_S, _MEMORY_FULL_S * self.capacity)


class MeasuredCapacity:
    """Is told of all work (``protocols.WorkListener``); implements ``protocols.LiveCapacity``."""

    def __init__(
        self,
        kinds: Mapping[str, ModelKind],
        lanes: Mapping[str, Sequence[LanePlan]],
        clock: Callable[[], float],
    ) -> None:
        """``kinds``: of the models; ``lanes``: of each, at each worker; ``clock``: seconds that only grow."""
        self._clock = clock
        self._devices = {
            model: "+".join(sorted({plan.shared_by or CPU for plan in plans}))
            for model, plans in lanes.items()
        }
        self._costs = {model: _cost(kinds[model], plans) for model, plans in lanes.items()}
        self._fresh = FreshAudio()
        self._spoken_s: dict[str, float] = {}
        """By work: speech that it has made so far."""
        self._faded_s = clock()

    def live_capacity(self, model: str) -> float:
        """Seconds of live audio, per second, that the model could keep up with, had it its device alone."""
        self._fade()
        cost = self._costs.get(model)
        return cost.capacity if cost is not None else 0.0

    def device(self, model: str) -> str:
        """Where it runs; models of one device take from each other."""
        return self._devices.get(model, CPU)

    def submitted(self, work: Work) -> None:
        """Work was accepted."""
        cost = self._costs.get(work.model)
        if cost is None or _says_nothing(work):
            return
        self._fade()
        if isinstance(work, SynthesizeWork):
            self._spoken_s[work.work_id] = 0.0
        elif work.work_class in LIVE_CLASSES:
            fresh_s = self._fresh.of(work) / 1000
            cost.asked(_is_final(work), work.cost_ms / 1000, fresh_s)

    def happened(self, work: Work, event: WorkEvent) -> None:
        """There is news of the work."""
        if isinstance(event, WorkAudio):
            if work.work_id in self._spoken_s:
                self._spoken_s[work.work_id] += len(event.samples) / event.sample_rate_hz
            return
        spoken_s = self._spoken_s.pop(work.work_id, None)
        cost = self._costs.get(work.model)
        if not isinstance(event, WorkDone) or cost is None or _says_nothing(work):
            return
        if work.work_class is WorkClass.BACKGROUND:
            return  # the lane may have paused it for others
        audio_s = work.cost_ms / 1000 if spoken_s is None else spoken_s
        if audio_s <= 0:
            return
        if spoken_s is not None:
            cost.asked(True, audio_s, audio_s)
        cost.done(_is_final(work), event.timing.lane_ms / 1000, audio_s)

    def released(self, stream_id: str) -> None:
        """The stream is over."""
        self._fresh.forget(stream_id)

    def _fade(self) -> None:
        """Forget with time. A clock that stands still or goes back does not unlearn; one that leaps cannot overdo."""
        now_s = self._clock()
        passed_s, self._faded_s = now_s - self._faded_s, now_s
        if passed_s <= 0:
            return
        keep = 0.5 ** (passed_s / _FORGET_S)
        for cost in self._costs.values():
            cost.fade(keep)


def _cost(kind: ModelKind, plans: Sequence[LanePlan]) -> _ModelCost:
    count = sum(plan.count for plan in plans)
    assumed = sum(
        plan.count
        * (_STREAMS_PER_ACCELERATOR if plan.shared_by else _STREAMS_PER_CORE).get(
            kind, _OTHERS_PER_LANE
        )
        for plan in plans
    )
    partials = _PARTIALS if kind is ModelKind.RECOGNIZER else 0.0
    return _ModelCost(count, assumed / count, partials)


def _is_final(work: Work) -> bool:
    return not isinstance(work, RecognizeWork) or work.kind is RecognizeKind.FINAL


def _says_nothing(work: Work) -> bool:
    return work.cost_ms <= 0 or (
        isinstance(work, RecognizeWork) and work.kind is RecognizeKind.CHECK
    )
