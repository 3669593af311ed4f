"""Segment audio in a worker: appended, bounded, asked for again, never changed under a reader."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.audio import Samples
from speech_service.domain.work import SegmentKey
from speech_service.worker.audio_store import AudioStore

A, B = SegmentKey("a", 0, 0), SegmentKey("b", 0, 0)


def ramp(start: int, stop: int) -> Samples:
    """Sample n has value n."""
    return np.arange(start, stop, dtype=np.float32)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 10))
def test_pieces_make_the_whole_and_views_stay(lengths: list[int], overlap: int) -> None:
    store = AudioStore(10**9)
    views: list[tuple[int, Samples]] = []
    end = 0
    for length in lengths:
        start = max(0, end - overlap)
        store.append(A, start, ramp(start, end + length))
        end += length
        view = store.get(A, end)
        assert view is not None
        views.append((end, view))
    for count, view in views:
        assert np.array_equal(view, ramp(0, count))
    assert store.get(A, end + 1) is None


def test_gap_is_not_stored_and_zero_starts_again() -> None:
    store = AudioStore(10**9)
    store.append(A, 5, ramp(5, 9))
    assert store.get(A, 1) is None
    store.append(A, 0, ramp(0, 4))
    store.append(A, 8, ramp(8, 9))
    assert store.get(A, 5) is None
    store.append(A, 0, ramp(100, 102))
    view = store.get(A, 2)
    assert view is not None
    assert view.tolist() == [100, 101]
    assert store.get(A, 3) is None


def test_least_recently_used_goes_first_and_what_is_needed_stays() -> None:
    store = AudioStore(max_bytes=100 * 4)
    store.append(A, 0, ramp(0, 40))
    store.append(B, 0, ramp(0, 40))
    assert store.get(A, 40) is not None
    store.append(SegmentKey("c", 0, 0), 0, ramp(0, 40))
    assert store.get(B, 40) is None
    assert store.get(A, 40) is not None
    store.append(A, 0, ramp(0, 500))
    assert store.get(A, 500) is not None
    assert len(store) == 1
    store.release(A)
    assert store.size_bytes == len(store) == 0
