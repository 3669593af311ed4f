"""Greedy decoding with and without a draft: pure token arithmetic that any autoregressive engine can use.

A pass of the decoder takes the newest token and some proposed tokens after it, and predicts the token after each of
them. Proposed tokens that equal the predictions are accepted, and so is the first prediction that differs: with
exact arithmetic the text is that of greedy decoding, whatever was proposed (Leviathan et al. 2023, "Fast inference
from transformers via speculative decoding", greedy case).
"""

from collections.abc import Callable, Sequence
from typing import Protocol


class DecodingStrategy(Protocol):
    """Proposes tokens; one object serves one decode."""

    def propose(self, generated: Sequence[int]) -> Sequence[int]:
        """Tokens that may follow ``generated``; empty: decode one token at a time."""
        ...


StrategyFactory = Callable[[Sequence[int]], DecodingStrategy]
"""Makes the strategy of one decode from the draft of its work item."""


class Greedy:
    """Proposes nothing."""

    def __init__(self, draft: Sequence[int] = ()) -> None:
        del draft

    def propose(self, generated: Sequence[int]) -> Sequence[int]:
        """Nothing."""
        del generated
        return ()


class Verify:
    """Proposes the previous hypothesis of the same, since grown, audio.

    First all of it. Where decoding departs from the draft (a new comma, a word heard otherwise), each new token is
    looked for around the place where as many draft tokens would end, and what follows it there is proposed. While it is
    not found, the token is taken to stand for the one in its place, and the next one is proposed.
    """

    _RETRY_TOKENS = 16
    """Tokens proposed after a departure; more would be paid for at every further one."""
    _BEHIND, _AHEAD = 4, 4
    """How far from its place in the draft a token is looked for; further matches are mostly chance."""

    def __init__(self, draft: Sequence[int]) -> None:
        self._draft = tuple(draft)
        self._cursor = 0
        """Draft tokens before it are behind us."""
        self._strayed = 0
        """Tokens since, none of which was found."""
        self._seen = 0

    def propose(self, generated: Sequence[int]) -> Sequence[int]:
        """What follows in the draft after the place that matches the end of ``generated``."""
        if not generated:
            return self._draft
        for token in generated[self._seen :]:
            self._find(token)
        self._seen = len(generated)
        place = self._cursor + self._strayed
        return self._draft[place : place + (1 if self._strayed else self._RETRY_TOKENS)]

    @property
    def is_over(self) -> bool:
        """Whether the draft is behind us: whatever is generated, nothing is proposed any more."""
        return max(self._cursor, self._cursor + self._strayed - self._BEHIND) >= len(self._draft)

    def _find(self, token: int) -> None:
        place = self._cursor + self._strayed
        first = max(self._cursor, place - self._BEHIND)
        near = self._draft[first : place + self._AHEAD]
        if token in near:
            self._cursor, self._strayed = first + near.index(token) + 1, 0
        else:
            self._strayed += 1


class OrEnding:
    """Proposes a likely ending behind each new token for which another strategy proposes nothing.

    The end of a clip costs a pass for its full stop and one more to see that nothing follows; with the full stop
    proposed behind the last word, that word's pass tells both. Worth it where a pass over two tokens costs little
    more than a pass over one.
    """

    def __init__(self, strategy: DecodingStrategy, ending: Sequence[int]) -> None:
        self._strategy = strategy
        self._ending = tuple(ending)

    def propose(self, generated: Sequence[int]) -> Sequence[int]:
        """What the other strategy proposes; the ending, where that is nothing and something was generated."""
        proposed = self._strategy.propose(generated)
        return self._ending if generated and not proposed else proposed


def accepted_count(proposed: Sequence[int], predicted: Sequence[int]) -> int:
    """How many proposed tokens hold. ``predicted[i]`` is the model's choice where ``proposed[i]`` stands."""
    for count, (token, choice) in enumerate(zip(proposed, predicted, strict=False)):
        if token != choice:
            return count
    return min(len(proposed), len(predicted))


def is_looping(tokens: Sequence[int], max_period: int = 12, min_tokens: int = 24) -> bool:
    """True where the text ends in a loop: one group of up to ``max_period`` tokens, again and again.

    A loop counts from three whole repetitions and ``min_tokens`` tokens on, so that people may say "no, no, no".
    """
    for period in range(1, max_period + 1):
        span = max(min_tokens, 3 * period)
        if len(tokens) < span:
            return False
        tail = tokens[-span:]
        if all(tail[i] == tail[i - period] for i in range(period, span)):
            return True
    return False
