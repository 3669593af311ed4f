"""Streams of the codec that come and go by chance, in any company."""

import random
from collections.abc import Sequence

from torch import Tensor

from speech_service.engines.qwen3.codec.streams import CodecStreams


class Visits:
    """Texts that wait for a slot, speak some frames when chance wills it, and leave.

    Args:
        waiting: the codes of each, int64 [frames, codebooks].
        longest: frames that one speaks at once at most.
    """

    def __init__(
        self, streams: CodecStreams, waiting: Sequence[Tensor], longest: int, chance: random.Random
    ) -> None:
        self._streams, self._waiting = streams, waiting
        self._longest, self._chance = longest, chance
        self._running: dict[int, tuple[int, Tensor]] = {}
        self.heard: dict[int, list[Tensor]] = {}

    @property
    def are_over(self) -> bool:
        """Nobody waits or speaks."""
        return self._all_came() and not self._running

    def due(self) -> dict[int, Tensor]:
        """Let some come; give the frames that are spoken next, by slot."""
        chance = self._chance
        while self._streams.free_slots and not self._all_came() and chance.random() < 0.7:
            number = len(self.heard)
            self._running[self._streams.open()] = number, self._waiting[number]
            self.heard[number] = []
        return {
            slot: rest[: chance.randint(1, self._longest)]
            for slot, (_, rest) in self._running.items()
            if chance.random() < 0.8
        }

    def hear(self, slot: int, samples: Tensor) -> None:
        """Keep what a slot sounded."""
        self.heard[self._running[slot][0]].append(samples)

    def go_on(self, slot: int, frames: int) -> None:
        """So many frames were decoded; who has no more leaves."""
        number, rest = self._running.pop(slot)
        if frames < len(rest):
            self._running[slot] = number, rest[frames:]
        else:
            self._streams.close(slot)

    def _all_came(self) -> bool:
        return len(self.heard) == len(self._waiting)
