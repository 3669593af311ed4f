"""A listener that plays audio as it comes: playing starts with the first piece, and a late piece is an underrun."""

from collections.abc import Iterable


def underruns(pieces: Iterable[tuple[float, float]]) -> int:
    """Pieces that came after everything before them had been played.

    A listener waits for a late piece and plays on from there, so one delay counts once, not for all that follows.

    Args:
        pieces: when each piece came and how long it is, in seconds, in order.
    """
    count, played_until_s = 0, None
    for came_s, length_s in pieces:
        if played_until_s is not None and came_s > played_until_s:
            count += 1
            played_until_s = came_s
        played_until_s = (came_s if played_until_s is None else played_until_s) + length_s
    return count
