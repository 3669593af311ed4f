"""When the host reads what a pass has chosen: at once, or while the next pass runs.

What a sequence that is fed its own last token needs next is on the device, and no host is needed between two passes. So
the host settles a pass while the one behind it runs, and the device never waits for the host. A sequence that has ended
is found out one pass late: what that pass chose for it is dropped, and its place in the cache is given back.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class EngineTurn(Protocol):
    """A pass that has begun."""

    @property
    def may_be_followed(self) -> bool:
        """Whether another may begin before the host has read this one."""
        ...


TurnT = TypeVar("TurnT", bound=EngineTurn)


class Pace(Protocol[TurnT]):
    """Says which turns are to be settled."""

    def due(self, turn: TurnT) -> Sequence[TurnT]:
        """Given the turn that has just begun, those to settle before the next, in their order."""
        ...


class AtOnce(Pace[TurnT]):
    """Each turn before the next: where the host itself computes."""

    def due(self, turn: TurnT) -> Sequence[TurnT]:
        """It."""
        return (turn,)


class OneBehind(Pace[TurnT]):
    """A turn while the next one runs, if it may be followed."""

    def __init__(self) -> None:
        self._open: Sequence[TurnT] = ()
        """The turn that is not settled, if there is one."""

    def due(self, turn: TurnT) -> Sequence[TurnT]:
        """The one before; and this one, if none may follow."""
        turns = [*self._open, turn]
        self._open = turns[-1:] if turn.may_be_followed else ()
        return turns[: len(turns) - len(self._open)]
