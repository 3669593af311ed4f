"""The repair of times: the longest run that does not decrease stays, the rest goes between its neighbours."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from speech_service.engines.qwen3.aligner.repair import monotone

TIMES = st.lists(st.integers(0, 30).map(lambda at: 80 * at), max_size=40)


def longest_run(times: Sequence[int]) -> int:
    """Length of the longest run that does not decrease, from its definition."""
    best: list[int] = []
    for at, time in enumerate(times):
        best.append(1 + max((best[i] for i in range(at) if times[i] <= time), default=0))
    return max(best, default=0)


@given(times=TIMES)
def test_as_few_times_as_possible_are_moved(times: list[int]) -> None:
    repaired, kept = monotone(times)
    assert repaired == sorted(repaired)
    assert sum(kept) == longest_run(times)
    assert all(repaired[at] == time for at, time in enumerate(times) if kept[at])


@given(times=TIMES)
def test_times_in_order_stay(times: list[int]) -> None:
    assert monotone(sorted(times)) == (sorted(times), [True] * len(times))


def test_one_or_two_moved_times_go_to_the_nearer_neighbour() -> None:
    assert monotone([0, 80, 8000, 160, 240])[0] == [0, 80, 80, 160, 240]
    assert monotone([0, 80, 8000, 8080, 160, 240, 320])[0] == [0, 80, 80, 160, 160, 240, 320]


def test_more_are_spread_evenly_in_whole_milliseconds() -> None:
    times = [0, 80, 9000, 9000, 8000, 160, 240, 320]
    assert monotone(times)[0] == [0, 80, 100, 120, 140, 160, 240, 320]


def test_at_an_end_they_take_the_one_neighbour() -> None:
    assert monotone([9000, 80, 160])[0] == [80, 80, 160]
    assert monotone([80, 160, 0])[0] == [80, 160, 160]
    assert monotone([]) == ([], [])


def test_of_equally_long_runs_the_first_that_ends_is_kept() -> None:
    assert monotone([80, 0])[1] == [True, False]
    assert monotone([0, 240, 160])[1] == [True, True, False]


def test_ten_thousand_times_take_no_time() -> None:
    times = [(at * 7919) % 400_000 for at in range(20_000)]
    repaired, _ = monotone(times)
    assert repaired == sorted(repaired)
