"""Which waiting work a lane takes next. Pure: a snapshot in, a decision out; no clock, no lock, no
queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.recognition import Pacing
from speech_service.domain.work import SynthesizeWork, Work, WorkClass

PRIORITY_FLOOR: dict[str, WorkClass] = {
    "": WorkClass.STREAM_FINAL,
    "interactive": WorkClass.STREAM_FINAL,
    "default": WorkClass.STREAM_FINAL,
    "batch": WorkClass.BACKGROUND,
}
"""The most urgent class that work under a priority may have. ``interactive`` and ``default`` change
nothing: a stream is interactive by nature, and no header makes a unary call one.
"""


LIVE_CLASSES = (WorkClass.STREAM_FINAL, WorkClass.STREAM_PARTIAL)
"""Work that somebody waits for while speaking."""
LONG_CALL_MS = 60_000
"""Audio of a unary call beyond it is BACKGROUND work: a short call does not queue behind a long one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One waiting work item, as the policy sees it. ``age_ms`` counts from when its place in line
    was taken; for BACKGROUND from when any of that class was last begun, if that is later.
    ``ahead_ms``: speech that came before it to its listener, when its place was taken.
    """

    work_id: str
    work_class: WorkClass
    age_ms: float
    ahead_ms: float = 0.0

    @property
    def left_ms(self) -> float:
        """How long nobody is without what it gives; negative: somebody has been for so long."""
        return self.ahead_ms - self.age_ms


class Urgency(IntEnum):
    """What the models on one lane take turns by, most urgent first. Equals take turns by who has waited longest."""

    FINAL = 0
    LAST_AUDIO = 0
    """Speech whose listener will be without, unless every second step makes it: beside FINALs it has that."""
    FIRST_AUDIO = 1
    """Speech of which nothing was made yet."""
    PARTIAL = 2
    DRY_AUDIO = 2
    """Speech that will be so soon. It takes turns with partials."""
    LOW_AUDIO = 3
    """Speech whose listener soon has no more to hear."""
    UNARY = 4
    AMPLE_AUDIO = 5
    """Speech that is ahead of its listener."""
    BACKGROUND = 6


_OF_CLASS = {
    WorkClass.STREAM_FINAL: Urgency.FINAL,
    WorkClass.STREAM_PARTIAL: Urgency.PARTIAL,
    WorkClass.UNARY: Urgency.UNARY,
    WorkClass.BACKGROUND: Urgency.BACKGROUND,
}
LOW_AUDIO_S = 1.0
"""A listener who has so little left to hear may be without soon."""
DRY_AUDIO_SHARE = 2.0
"""Speech is dry where its listener has less left than so many times what its next audio takes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A model that wants the next step of its lane, and how long it has been without one."""

    urgency: Urgency
    waited_ms: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision: ``work_ids`` in the order to admit. ``aged_turn`` goes into the next call."""

    work_ids: tuple[str, ...]
    aged_turn: bool


def stream_classes(pacing: Pacing) -> tuple[WorkClass, WorkClass]:
    """The natural classes of a stream's finals and of its partials.

    Nobody listens to a FILE stream while it is sent, so all its work is BACKGROUND.
    """
    if pacing is Pacing.FILE:
        return WorkClass.BACKGROUND, WorkClass.BACKGROUND
    return LIVE_CLASSES


def effective_class(requested_priority: str, natural: WorkClass) -> WorkClass:
    """The class that work runs in: the priority header may lower its natural class, never raise it.

    Args:
        requested_priority: ``interactive``, ``default``, ``batch`` or empty (none asked for).
        natural: the class that the kind of the request gives.

    Raises:
        InvalidOptionError: the priority is none of these.
    """
    floor = PRIORITY_FLOOR.get(requested_priority.strip().lower())
    if floor is None:
        allowed = ", ".join(name for name in PRIORITY_FLOOR if name)
        raise InvalidOptionError("priority", "unknown priority", allowed)
    return max(natural, floor)


def urgency_of(work: Work, ahead_s: float | None, next_audio_s: float = 0.0) -> Urgency:
    """How urgent the next step of work is.

    Args:
        work: is admitted.
        ahead_s: speech that its listener has left; None: none was made yet.
        next_audio_s: how long its next audio takes to make, if every second step is another model's.
    """
    if work.work_class is not WorkClass.STREAM_FINAL or not isinstance(work, SynthesizeWork):
        return _OF_CLASS[work.work_class]
    if ahead_s is None:
        return Urgency.FIRST_AUDIO
    if ahead_s < next_audio_s:
        return Urgency.LAST_AUDIO
    if ahead_s < DRY_AUDIO_SHARE * next_audio_s:
        return Urgency.DRY_AUDIO
    return Urgency.LOW_AUDIO if ahead_s < LOW_AUDIO_S else Urgency.AMPLE_AUDIO


def next_turn(turns: Sequence[Turn], starvation_ms: float, aged_turn: bool) -> tuple[int, bool]:
    """Decide which of the models on a lane has the next step.

    The most urgent one, and of equals the one that has waited longest; but every second step goes to the one that has
    waited longest of all, if that is ``starvation_ms``. So a model moves however urgent the others are.

    Args:
        turns: one for each model that has work.
        starvation_ms: how long a model may be without a step.
        aged_turn: what the call before returned.

    Returns:
        Which of ``turns``, and ``aged_turn`` for the next call.
    """
    places = range(len(turns))
    oldest = max(places, key=lambda at: turns[at].waited_ms)
    if aged_turn and turns[oldest].waited_ms >= starvation_ms:
        return oldest, False
    return min(places, key=lambda at: (turns[at].urgency, -turns[at].waited_ms)), True


def choose(
    waiting: Sequence[Waiting], free_slots: int, starvation_ms: float, aged_turn: bool = False
) -> Plan:
    """Decide what to admit into ``free_slots`` places.

    Streaming finals go first, always, in the order in which somebody is without them: speech when its
    listener has heard what they had, all else from when it was asked for. So who has had nothing yet goes
    before who has something left to hear, and nothing starves: what comes later is needed later.
    After them classes go in order, oldest first inside a class,
    except that every second place goes to the oldest item that has waited ``starvation_ms``, if
    there is one. So no class starves while finals leave room, and a backlog of old work cannot take
    more than half of the device from fresh partials. BACKGROUND takes one such place, then is young
    again: a bulk job moves once in ``starvation_ms``, and has all that others leave.

    Args:
        waiting: candidates; inside a class in the order of their places in line.
        free_slots: how many items the lane can still take.
        starvation_ms: age from which an item counts as starving.
        aged_turn: ``Plan.aged_turn`` of the call before.
    """
    finals = [item for item in waiting if item.work_class is WorkClass.STREAM_FINAL]
    finals.sort(key=lambda item: item.left_ms)
    chosen = [item.work_id for item in finals[:free_slots]]
    rest = [item for item in waiting if item.work_class is not WorkClass.STREAM_FINAL]
    by_class = sorted(rest, key=lambda item: item.work_class)
    aged = sorted(
        (item for item in rest if item.age_ms >= starvation_ms),
        key=lambda item: (-item.age_ms, item.work_class),
    )
    taken: set[str] = set()
    while len(chosen) < free_slots and len(taken) < len(rest):
        from_aged = aged_turn and any(item.work_id not in taken for item in aged)
        line = aged if from_aged else by_class
        pick = next(item for item in line if item.work_id not in taken)
        if pick.work_class is WorkClass.BACKGROUND:
            aged = [item for item in aged if item.work_class is not WorkClass.BACKGROUND]
        taken.add(pick.work_id)
        chosen.append(pick.work_id)
        aged_turn = not from_aged
    return Plan(tuple(chosen), aged_turn)
