"""Forced lengths and scripted acceptance: what random weights cannot have of themselves.

Everything is computed as always, drafts and verifying passes too. Only the decision is scripted: answers end at their
length, and of the proposed tokens so many hold. Patches the recognition engine of the process that installs it.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from speech_service.domain.models import ModelCapabilities
from speech_service.engines.qwen3.asr.engine import AsrEngine, AsrParts
from speech_service.engines.qwen3.asr.running import Running

TOKENS_PER_S = 3.5
"""Of an answer, for each second of audio: what speech has."""


@dataclass(frozen=True, slots=True)
class Script:
    """How answers go. At most one kind of acceptance; with none the model itself decides."""

    tokens_per_s: float = TOKENS_PER_S
    """0: answers of a single token."""
    per_token: float | None = None
    """Each proposed token holds with this probability, as a draft model's do."""
    prefix: float | None = None
    """This share of what is proposed holds, from its beginning, as of a previous partial."""

    def held(self, proposed: int, draws: random.Random) -> int | None:
        """How many of the proposed tokens hold; None: not scripted."""
        if self.prefix is not None:
            return int(proposed * self.prefix + 0.5)
        if self.per_token is None:
            return None
        held = 0
        while held < proposed and draws.random() < self.per_token:
            held += 1
        return held


class Director:
    """Makes the engines of this process follow ``script``, which may change between two works."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self._draws = random.Random(0)

    def install(self) -> None:
        """From now on; engines that were made before keep their own lengths."""
        make, settle = AsrEngine.__init__, Running.settle
        director = self

        def made(self: AsrEngine, capabilities: ModelCapabilities, parts: AsrParts) -> None:
            limits = replace(parts.limits, spare_tokens=0, loop_tokens=10**6)
            limits = replace(limits, tokens_per_s=director.script.tokens_per_s)
            make(self, capabilities, replace(parts, limits=limits, ends=frozenset()))

        def settled(
            self: Running, proposed: Sequence[int], chosen: Sequence[int], ends: Collection[int]
        ) -> int:
            return settle(self, proposed, director.decide(proposed, chosen), ends)

        AsrEngine.__init__ = made
        Running.settle = settled

    def decide(self, proposed: Sequence[int], chosen: Sequence[int]) -> Sequence[int]:
        """What the target is to have chosen."""
        held = self.script.held(len(proposed), self._draws)
        if held is None:
            return chosen
        decided = [*proposed[:held], *chosen[held:]]
        if held < len(proposed) and decided[held] == proposed[held]:
            decided[held] ^= 1  # any other token
        return decided
