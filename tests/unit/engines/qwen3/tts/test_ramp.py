"""The length of a stream's chunks: a ramp, held back where the client's buffer would run dry."""

from collections.abc import Sequence

import pytest

from speech_service.engines.qwen3.tts.ramp import ChunkRamp, ChunkWay

FRAME_S = 0.08


def play(sizes: Sequence[int], pace_s: float, frames: int) -> tuple[list[int], float]:
    """Make frames at a pace; give the chunks' lengths and the least that the client had left to play."""
    return _play(sizes, pace_s, frames, ChunkWay(), is_beside=False)


def play_beside(
    sizes: Sequence[int], pace_s: float, frames: int, way: ChunkWay
) -> tuple[list[int], float]:
    """The same with a codec that works beside the frames: all but the first chunk are told of one frame later."""
    return _play(sizes, pace_s, frames, way, is_beside=True)


def _play(
    sizes: Sequence[int], pace_s: float, frames: int, way: ChunkWay, *, is_beside: bool
) -> tuple[list[int], float]:
    now_s = first_s = 0.0
    ramp = ChunkRamp(sizes, way, lambda: now_s)
    pending, under_way, lengths, least_s = 0, 0, list[int](), float("inf")

    def tell() -> None:
        nonlocal least_s, first_s, under_way
        if lengths:
            least_s = min(least_s, sum(lengths) * FRAME_S - (now_s - first_s))
        else:
            first_s = now_s
        lengths.append(under_way)
        ramp.sent()
        under_way = 0

    for _ in range(frames):
        now_s += pace_s
        pending += 1
        if under_way:
            tell()
        if ramp.due(pending):
            ramp.begun(pending)
            pending, under_way = 0, pending
            if not is_beside or not lengths:
                tell()
    return lengths, least_s


def seen(pace_s: float) -> ChunkWay:
    """What an engine has learned whose streams get a frame in so long."""
    way = ChunkWay()
    play_beside((1, 2, 4, 8), pace_s, 400, way)
    return way


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


@pytest.mark.parametrize("pace_ms", [5, 20, 40, 50, 70])
def test_no_client_is_without_where_chunks_are_a_frame_on_their_way(pace_ms: int) -> None:
    way = seen(pace_ms / 1000)
    lengths, least_s = play_beside((1, 2, 4, 8), pace_ms / 1000, 400, way)
    assert least_s > 0
    assert max(lengths) == 8, "and chunks become long nevertheless"


def test_the_first_stream_of_all_cannot_know() -> None:
    """So the test above can fail."""
    assert play_beside((1, 2, 4, 8), 0.05, 40, ChunkWay())[1] < 0


def test_a_first_chunk_is_longer_only_where_a_step_takes_long() -> None:
    lengths = [play_beside((1, 2, 4, 8), s, 40, seen(s))[0] for s in (0.005, 0.018, 0.03, 0.05)]
    assert [each[0] for each in lengths] == [1, 1, 2, 3]
    assert lengths[0] == [1, 2, 4, 8, 8, 8, 8]


def test_no_chunk_is_longer_than_the_ramp_allows() -> None:
    assert max(play_beside((1, 2), 0.07, 100, seen(0.07))[0]) == 2


def test_where_the_codec_computes_at_once_nothing_is_learned_and_first_chunks_stay_short() -> None:
    way = ChunkWay()
    for _ in range(20):
        _play((1, 2, 4, 8), 0.05, 60, way, is_beside=False)
    assert way.usual_s == 0
    assert _play((1, 2, 4, 8), 0.05, 60, way, is_beside=False)[0][0] == 1


def test_a_way_is_a_mean_of_what_was_seen_lately() -> None:
    way = ChunkWay()
    for _ in range(100):
        way.took(0.05)
    assert way.usual_s == pytest.approx(0.05, rel=1e-3)
    way.took(0.5)
    assert way.usual_s < 0.1
    for _ in range(100):
        way.took(0.004)
    assert way.usual_s == pytest.approx(0.004, rel=1e-2)
