"""The one rule for times of words that follow each other in one audio, whatever model they are from."""

from collections.abc import Sequence
from itertools import groupby

Times = tuple[int, int]
"""Begin and end, in milliseconds."""


def in_order(times: Sequence[Times], first_ms: int, end_ms: int) -> list[Times]:
    """Times within ``[first_ms, end_ms]``, in order, none reaching into the next.

    Where two words overlap, each gives half of it; words that begin together share their time in equal parts. What lies
    behind the end of the audio is cut off, so a word there may be left with no length.
    """
    starts: list[int] = []
    for start, _ in times:
        starts.append(
            min(max(start, first_ms, starts[-1] if starts else first_ms), max(first_ms, end_ms))
        )
    ends = [max(start, min(end, end_ms)) for start, (_, end) in zip(starts, times, strict=True)]
    for _, group in groupby(range(len(starts)), key=starts.__getitem__):
        _share(list(group), starts, ends)
    for at in range(len(starts) - 1):
        if ends[at] > starts[at + 1]:
            middle = max(starts[at], min((ends[at] + starts[at + 1]) // 2, ends[at + 1]))
            ends[at] = starts[at + 1] = middle
            ends[at + 1] = max(ends[at + 1], middle)  # an end that an earlier word has reached past
    return list(zip(starts, ends, strict=True))


def _share(group: Sequence[int], starts: list[int], ends: list[int]) -> None:
    """Words that begin together: equal parts of the longest of their times, up to the next word."""
    if len(group) < 2:
        return
    begin, end = starts[group[0]], max(ends[at] for at in group)
    if group[-1] + 1 < len(starts):
        end = min(end, starts[group[-1] + 1])
    for number, at in enumerate(group):
        starts[at] = begin + (end - begin) * number // len(group)
        ends[at] = begin + (end - begin) * (number + 1) // len(group)
