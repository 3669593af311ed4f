"""What an item costs a lane: exact where steps are regular, never more than its even share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.dispatch.step_cost import StepCost


def settled(max_batch: int, once_s: float, each_s: float) -> StepCost:
    """One that has seen steps of one to eight items."""
    cost = StepCost(max_batch)
    for step in range(400):
        items = 1 + step % 8
        cost.charge_s(once_s + each_s * items, items)
    return cost


def test_a_lane_of_one_charges_the_whole_step() -> None:
    cost = StepCost(1)
    assert [cost.charge_s(s, 1) for s in (0.1, 0.3, 0.2)] == pytest.approx([0.1, 0.3, 0.2])


def test_where_company_costs_nothing_an_item_is_charged_a_place_of_the_batch() -> None:
    """A step of one takes 10 ms, a step of 64 as long."""
    cost = settled(64, once_s=0.010, each_s=0.0)
    assert cost.charge_s(0.010, 1) == pytest.approx(0.010 / 64, rel=0.3)


def test_where_every_item_takes_its_time_it_is_charged_that() -> None:
    cost = settled(64, once_s=0.0, each_s=0.010)
    assert cost.charge_s(0.010, 1) == pytest.approx(0.010, rel=0.05)
    assert cost.charge_s(0.080, 8) == pytest.approx(0.010, rel=0.05)


def test_between_the_two_the_line_is_found() -> None:
    cost = settled(32, once_s=0.016, each_s=0.001)
    full_s = (0.016 + 32 * 0.001) / 32
    assert cost.charge_s(0.017, 1) == pytest.approx(full_s, rel=0.2)
    assert cost.charge_s(0.024, 8) == pytest.approx(full_s, rel=0.2)


def test_nothing_is_believed_of_company_that_was_never_seen() -> None:
    cost = StepCost(64)
    for _ in range(50):
        assert cost.charge_s(0.010, 1) == pytest.approx(0.010)


def test_one_step_that_stood_still_changes_little() -> None:
    cost = settled(64, once_s=0.0, each_s=0.010)
    cost.charge_s(30.0, 1)
    assert cost.charge_s(0.010, 1) > 0.008


@given(
    st.integers(1, 64),
    st.lists(
        st.tuples(st.floats(0, 10, allow_subnormal=False), st.integers(1, 64)),
        min_size=1,
        max_size=60,
    ),
)
def test_a_charge_is_between_nothing_and_the_even_share(
    max_batch: int, steps: list[tuple[float, int]]
) -> None:
    cost = StepCost(max_batch)
    for elapsed_s, items in steps:
        charged_s = cost.charge_s(elapsed_s, items)
        assert 0 <= charged_s <= elapsed_s / items * (1 + 1e-9) + 1e-300
