"""Word times are in order, inside the audio and apart, whatever a model says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.word_times import Times, in_order

END_MS = 1_000


@pytest.mark.parametrize(
    ("given_times", "expected"),
    [
        ([], []),
        ([(0, 100), (100, 200)], [(0, 100), (100, 200)]),
        ([(0, 100), (150, 200)], [(0, 100), (150, 200)]),
        ([(0, 120), (100, 200)], [(0, 110), (110, 200)]),
        ([(0, 125), (100, 300), (275, 400)], [(0, 112), (112, 287), (287, 400)]),
        ([(100, 400), (100, 400)], [(100, 250), (250, 400)]),
        (
            [(100, 400), (100, 400), (100, 400), (400, 500)],
            [(100, 200), (200, 300), (300, 400), (400, 500)],
        ),
        ([(900, 1032)], [(900, 1_000)]),
        ([(1_010, 1_032)], [(1_000, 1_000)]),
        ([(-40, 20), (20, 60)], [(0, 20), (20, 60)]),
        ([(0, 300), (50, 100)], [(0, 100), (100, 100)]),
        ([(500, 600), (400, 450)], [(500, 550), (550, 600)]),
        ([(0, 50), (10, 30), (20, 0)], [(0, 30), (30, 30), (30, 30)]),
    ],
)
def test_overlaps_are_shared_and_ends_cut(given_times: list[Times], expected: list[Times]) -> None:
    assert in_order(given_times, 0, END_MS) == expected


@given(
    st.lists(st.tuples(st.integers(-100, 1_200), st.integers(-100, 1_200)), max_size=20),
    st.integers(0, 1_000),
)
def test_whatever_comes_in(times: list[Times], first_ms: int) -> None:
    found = in_order(times, first_ms, END_MS)
    assert len(found) == len(times)
    assert all(first_ms <= start <= end <= END_MS for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
