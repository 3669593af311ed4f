"""The length of a stream's chunks: a ramp, held back where the client's buffer would run dry."""

from collections.abc import Sequence

import pytest

from speech_service.engines.qwen3.tts.ramp import ChunkRamp

FRAME_S = 0.08


def play(sizes: Sequence[int], pace_s: float, frames: int) -> tuple[list[int], float]:
    """Make frames at a pace; give the chunks' lengths and the least that the client had left to play."""
    now_s = 0.0
    ramp = ChunkRamp(sizes, lambda: now_s)
    pending, lengths, least_s = 0, list[int](), float("inf")
    first_s = 0.0
    for _ in range(frames):
        now_s += pace_s
        pending += 1
        if ramp.due(pending):
            first_s = first_s if lengths else now_s
            if lengths:
                least_s = min(least_s, sum(lengths) * FRAME_S - (now_s - first_s))
            lengths.append(pending)
            ramp.sent(pending)
            pending = 0
    return lengths, least_s


def test_a_fast_engine_follows_the_ramp() -> None:
    lengths, least_s = play((1, 2, 4, 8), 0.005, 40)
    assert lengths == [1, 2, 4, 8, 8, 8, 8]
    assert least_s > 0


@pytest.mark.parametrize("pace", [0.3, 0.5, 0.7, 0.85])
def test_nothing_runs_dry_while_frames_come_faster_than_they_are_played(pace: float) -> None:
    lengths, least_s = play((1, 2, 4, 8, 16), pace * FRAME_S, 400)
    assert least_s >= -FRAME_S * pace - 1e-9, "one chunk has no pace to go by"
    assert lengths[0] == 1
    assert max(lengths) > 1


def test_an_engine_that_is_too_slow_sends_what_it_has() -> None:
    lengths, _ = play((1, 2, 4, 8), 2 * FRAME_S, 40)
    assert set(lengths[3:]) == {1}


def test_the_ramp_is_the_operators() -> None:
    assert play((3,), 0.001, 9)[0] == [3, 3, 3]
    assert play((1, 12), 0.001, 25)[0] == [1, 12, 12]
