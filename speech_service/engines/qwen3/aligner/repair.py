"""Puts times in order that a classifier gave one by one.

The longest run of times that do not decrease is believed (Schensted 1961, by patience sorting); what lies between is
moved. This gives exactly what the quadratic search in qwen-asr 0.0.6 gives, ties included.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby

_SNAP = 2
"""So few times in a row go to the nearer neighbour; more are spread evenly."""


def monotone(times_ms: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Times that do not decrease, in whole milliseconds, and which of them are as they were."""
    kept = _longest_run(times_ms)
    repaired = list(times_ms)
    for is_kept, group in groupby(range(len(kept)), key=kept.__getitem__):
        if not is_kept:
            places = list(group)
            _fill(repaired, places[0], places[-1] + 1)
    return repaired, kept


def _longest_run(values: Sequence[int]) -> list[bool]:
    """Which values are on the longest run that does not decrease; of several the one that is reached first."""
    levels: list[list[int]] = []
    """Indices of the values that a run of each length can end with. Within a level values decrease."""
    smallest: list[int] = []
    """The last, and least, value of each level."""
    before: list[int] = []
    for index, value in enumerate(values):
        level = bisect_right(smallest, value)
        if level == len(levels):
            levels.append([])
            smallest.append(value)
        smallest[level] = value
        levels[level].append(index)
        before.append(_first_at_most(values, levels[level - 1], value) if level else -1)
    kept = [False] * len(values)
    index = levels[-1][0] if levels else -1
    while index >= 0:
        kept[index] = True
        index = before[index]
    return kept


def _first_at_most(values: Sequence[int], indices: Sequence[int], limit: int) -> int:
    """The first of ``indices``, along which values decrease, whose value is at most ``limit``."""
    return indices[bisect_left(indices, -limit, key=lambda index: -values[index])]


def _fill(times_ms: list[int], begin: int, end: int) -> None:
    """Give the times of ``[begin, end)`` places between their neighbours; at an end, the one neighbour's."""
    left = times_ms[begin - 1] if begin else None
    right = times_ms[end] if end < len(times_ms) else None
    if left is None or right is None:
        edge = right if left is None else left
        assert edge is not None, "one time is always kept"
        times_ms[begin:end] = [edge] * (end - begin)
        return
    count = end - begin
    step_ms = (right - left) / (count + 1)
    for place in range(1, count + 1):
        near = left if place <= count + 1 - place else right
        times_ms[begin + place - 1] = near if count <= _SNAP else int(left + step_ms * place)
