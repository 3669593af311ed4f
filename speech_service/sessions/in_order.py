"""Answers that come in any order, and leave in the order in which they were asked for."""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from speech_service.domain.events import Action

Event = TypeVar("Event")

MAX_HELD_S = 20.0
"""An answer waits this long for those before it. Then they are late, and their owner says so in their place."""


@dataclass(slots=True, eq=False)
class _Place(Generic[Event]):
    """``actions``: what leaves from here; None while the answer is due."""

    work_id: str
    actions: Sequence[Action[Event]] | None = None
    answered_s: float = 0.0


@dataclass(slots=True)
class AnswersInOrder(Generic[Event]):
    """Lines of places; an answer leaves once every place before it in its line was answered.

    What belongs together shares a line: a channel's results, a context's timings. ``clock`` gives seconds of a
    monotonic clock.
    """

    clock: Callable[[], float]
    _lines: dict[Hashable, deque[_Place[Event]]] = field(
        default_factory=dict[Hashable, deque[_Place[Event]]]
    )

    def ask(self, line: Hashable, work_id: str) -> None:
        """Keep a place for the answer to ``work_id`` at the end of a line."""
        self._lines.setdefault(line, deque()).append(_Place[Event](work_id))

    def tell(self, line: Hashable, actions: Sequence[Action[Event]]) -> list[Action[Event]]:
        """Something that was asked of nobody takes its place in a line; returns what leaves now."""
        places = self._lines.setdefault(line, deque())
        places.append(_Place[Event]("", actions, self.clock()))
        return self._leaving(line)

    def answer(
        self, line: Hashable, work_id: str, actions: Sequence[Action[Event]]
    ) -> list[Action[Event]]:
        """The place of ``work_id`` is answered; returns what leaves now, of it and of those behind it."""
        place = next(place for place in self._lines[line] if place.work_id == work_id)
        place.actions, place.answered_s = actions, self.clock()
        return self._leaving(line)

    def late(self) -> list[str]:
        """The work whose answers hold others for too long, first asked first."""
        limit_s = self.clock() - MAX_HELD_S
        late: list[str] = []
        for places in self._lines.values():
            due: list[str] = []
            for place in places:
                if place.actions is None:
                    due.append(place.work_id)
                elif due and place.answered_s <= limit_s:
                    late += due
                    due = []
        return late

    def out_of_turn(self) -> list[Action[Event]]:
        """What was answered and waits for what was not; nothing of it is returned again."""
        leaving: list[Action[Event]] = []
        for place in (place for places in self._lines.values() for place in places):
            if place.actions:
                leaving += place.actions
                place.actions = ()
        return leaving

    def forget(self, line: Hashable) -> None:
        """Nothing of the line is wanted any more."""
        self._lines.pop(line, None)

    def clear(self) -> None:
        """Nothing is wanted any more."""
        self._lines.clear()

    def _leaving(self, line: Hashable) -> list[Action[Event]]:
        places, leaving = self._lines[line], list[Action[Event]]()
        while places and (actions := places[0].actions) is not None:
            places.popleft()
            leaving += actions
        if not places:
            del self._lines[line]
        return leaving
