"""Text that is rewritten step by step and still knows which part of the original each character comes from."""

import re
from collections.abc import Callable, Iterator

Replacement = str | Callable[[re.Match[str]], str | None]
"""A template as of ``re.sub``, or a function; None leaves what was found as it is."""


class Traced:
    """Holds a text and, for each of its characters, the span of the original that it stands for.

    Spans are code points, end exclusive. What replaces a match stands for all of it, but for the whole words at its
    edges that it leaves as they were: in "PIN is 0042" only the digits are read in another way.
    """

    __slots__ = ("_ends", "_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = list(range(len(text)))
        self._ends = list(range(1, len(text) + 1))

    def sub(self, pattern: re.Pattern[str], replacement: Replacement) -> None:
        """Replace every match, as ``re.sub`` does."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for match, new in self._replaced(pattern, replacement):
            begin, end = match.span()
            front, back = _left_alone(match.group(), new)
            begin, end, new = begin + front, end - back, new[front : len(new) - back]
            parts += (self.text[done:begin], new)
            starts += self._starts[done:begin]
            ends += self._ends[done:begin]
            if end > begin:
                starts += [self._starts[begin]] * len(new)
                ends += [self._ends[end - 1]] * len(new)
            else:  # what is put between two characters belongs to the one before
                at = max(0, begin - 1)
                starts += self._starts[at : at + 1] * len(new)
                ends += self._ends[at : at + 1] * len(new)
            done = end
        if done or parts:
            self._starts[:] = starts + self._starts[done:]
            self._ends[:] = ends + self._ends[done:]
            self.text = "".join(parts) + self.text[done:]

    def source(self, begin: int, end: int) -> tuple[int, int]:
        """Give the span of the original that the characters ``begin`` to ``end`` stand for; ``begin`` < ``end``."""
        return self._starts[begin], max(self._ends[begin:end])

    def _replaced(
        self, pattern: re.Pattern[str], replacement: Replacement
    ) -> Iterator[tuple[re.Match[str], str]]:
        for match in pattern.finditer(self.text):
            new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            if new is not None and new != match.group():
                yield match, new


def _left_alone(old: str, new: str) -> tuple[int, int]:
    """How much of a match is kept at its beginning and at its end, in whole words with the space beside them."""
    most = min(len(old), len(new))
    front = next((at for at in range(most) if old[at] != new[at]), most)
    while front and not old[front - 1].isspace():
        front -= 1
    most -= front + 1  # something between the two is what was read in another way
    back = next((at for at in range(most) if old[-1 - at] != new[-1 - at]), max(0, most))
    while back and not old[-back].isspace():
        back -= 1
    return (front, back) if front + back < len(old) else (0, 0)
