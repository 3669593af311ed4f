"""The policy: order, ageing, and a priority header that only lowers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.dispatch.policy import (
    LOW_AUDIO_S,
    PRIORITY_FLOOR,
    Turn,
    Urgency,
    Waiting,
    choose,
    effective_class,
    next_turn,
    stream_classes,
    urgency_of,
)
from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.recognition import Pacing
from speech_service.domain.work import SynthesizeWork, WorkClass
from tests.unit.dispatch.builders import make_work

STARVATION_MS = 1000.0
CLASSES = st.sampled_from(WorkClass)


@st.composite
def snapshots(draw: st.DrawFn) -> list[Waiting]:
    """Candidates with the ages of each class falling along its line, as in a queue; finals may be speech."""
    waiting: list[Waiting] = []
    for work_class in WorkClass:
        ages = draw(st.lists(st.floats(0, 5000), max_size=6))
        for number, age_ms in enumerate(sorted(ages, reverse=True)):
            ahead_ms = 0 if work_class else draw(st.just(0) | st.integers(0, 8000))
            waiting.append(Waiting(f"{work_class.name}{number}", work_class, age_ms, ahead_ms))
    return waiting


def line_of(waiting: list[Waiting], work_class: WorkClass) -> list[str]:
    """Ids of a class in the order in which they are to go."""
    items = [item for item in waiting if item.work_class is work_class]
    if work_class is WorkClass.STREAM_FINAL:
        items.sort(key=lambda item: item.ahead_ms - item.age_ms)
    return [item.work_id for item in items]


@given(snapshots(), st.integers(0, 20), st.booleans())
def test_plan_is_full_distinct_and_keeps_each_line_in_order(
    waiting: list[Waiting], free: int, aged_turn: bool
) -> None:
    plan = choose(waiting, free, STARVATION_MS, aged_turn)
    assert len(plan.work_ids) == len(set(plan.work_ids)) == min(free, len(waiting))
    for work_class in WorkClass:
        line = line_of(waiting, work_class)
        chosen = [work_id for work_id in plan.work_ids if work_id in line]
        assert chosen == line[: len(chosen)]


@given(snapshots(), st.integers(0, 20), st.booleans())
def test_finals_go_first(waiting: list[Waiting], free: int, aged_turn: bool) -> None:
    plan = choose(waiting, free, STARVATION_MS, aged_turn)
    finals = line_of(waiting, WorkClass.STREAM_FINAL)
    assert list(plan.work_ids[: len(finals)]) == finals[:free]


def test_of_speech_goes_first_what_somebody_is_without_and_has_been_for_longest() -> None:
    final = WorkClass.STREAM_FINAL
    waiting = [
        Waiting("has 4 s left", final, age_ms=1000, ahead_ms=5000),
        Waiting("ran out 500 ms ago", final, age_ms=900, ahead_ms=400),
        Waiting("asked 600 ms ago", final, age_ms=600),
        Waiting("has a little left", final, age_ms=100, ahead_ms=150),
        Waiting("asked now", final, age_ms=0),
        Waiting("as new, and behind it in line", final, age_ms=0),
    ]
    assert choose(waiting, 6, STARVATION_MS).work_ids == (
        "asked 600 ms ago",
        "ran out 500 ms ago",
        "asked now",
        "as new, and behind it in line",
        "has a little left",
        "has 4 s left",
    )


@given(st.integers(1, 4), st.lists(st.integers(0, 8000), min_size=1, max_size=12))
def test_speech_with_much_left_does_not_starve(slots: int, ahead: list[int]) -> None:
    """Streams begin in every round, for ever, as many as there is room for."""
    step_ms = 500.0
    waiting = [
        Waiting(f"old{number}", WorkClass.STREAM_FINAL, 0.0, ahead_ms)
        for number, ahead_ms in enumerate(ahead)
    ]
    for number in range(round(max(ahead) / step_ms) + len(ahead) + 2):
        new = [Waiting(f"{number}-{i}", WorkClass.STREAM_FINAL, 0.0) for i in range(slots)]
        chosen = choose([*waiting, *new], slots, STARVATION_MS).work_ids
        waiting = [
            replace(item, age_ms=item.age_ms + step_ms)
            for item in [*waiting, *new]
            if item.work_id not in chosen
        ]
    assert not any(item.work_id.startswith("old") for item in waiting)


@given(snapshots(), st.integers(1, 20))
def test_without_starving_work_classes_go_in_order(waiting: list[Waiting], free: int) -> None:
    plan = choose(waiting, free, starvation_ms=float("inf"), aged_turn=True)
    by_id = {item.work_id: item for item in waiting}
    classes = [by_id[work_id].work_class for work_id in plan.work_ids]
    assert classes == sorted(classes)


@given(snapshots(), st.integers(2, 20))
def test_aged_work_takes_at_most_every_second_place(waiting: list[Waiting], free: int) -> None:
    partials = [item for item in waiting if item.work_class is WorkClass.STREAM_PARTIAL]
    finals = [item for item in waiting if item.work_class is WorkClass.STREAM_FINAL]
    left = free - len(finals)
    plan = choose(waiting, free, STARVATION_MS)
    chosen = [item for item in partials if item.work_id in plan.work_ids]
    assert len(chosen) >= min(len(partials), max(0, left) // 2)


@given(st.integers(1, 4), st.lists(CLASSES.filter(bool), min_size=1, max_size=12), st.data())
def test_no_class_starves(slots: int, backlog: list[WorkClass], data: st.DataObject) -> None:
    """Fresh partials for every slot, every round, for ever: the backlog is still served."""
    step_ms = 100.0
    old = [Waiting(f"old{i}", work_class, 0.0) for i, work_class in enumerate(backlog)]
    aged_turn = data.draw(st.booleans())
    rounds = 0
    while old:
        fresh = [Waiting(f"f{rounds}-{i}", WorkClass.STREAM_PARTIAL, 0.0) for i in range(slots)]
        plan = choose([*old, *fresh], slots, STARVATION_MS, aged_turn)
        aged_turn = plan.aged_turn
        old = [
            Waiting(i.work_id, i.work_class, i.age_ms + step_ms)
            for i in old
            if i.work_id not in plan.work_ids
        ]
        rounds += 1
        assert rounds <= STARVATION_MS / step_ms + 2 * len(backlog) + 2


@given(st.sampled_from(sorted(PRIORITY_FLOOR)), CLASSES)
def test_priority_never_raises(priority: str, natural: WorkClass) -> None:
    assert effective_class(priority, natural) >= natural


def test_priority_lowers_to_background() -> None:
    assert effective_class("batch", WorkClass.STREAM_FINAL) is WorkClass.BACKGROUND
    assert effective_class("interactive", WorkClass.UNARY) is WorkClass.UNARY
    with pytest.raises(InvalidOptionError, match="batch"):
        effective_class("urgent", WorkClass.UNARY)


@pytest.mark.parametrize("priority", sorted(PRIORITY_FLOOR))
def test_a_file_is_background_work_by_nature_and_no_header_raises_it(priority: str) -> None:
    assert stream_classes(Pacing.REALTIME) == (WorkClass.STREAM_FINAL, WorkClass.STREAM_PARTIAL)
    for natural in stream_classes(Pacing.FILE):
        assert effective_class(priority, natural) is WorkClass.BACKGROUND


@given(st.integers(1, 20), st.integers(1, 12), st.booleans())
def test_old_background_work_takes_one_place_of_a_plan_while_others_wait(
    free: int, bulk: int, aged_turn: bool
) -> None:
    waiting = [Waiting(f"p{i}", WorkClass.STREAM_PARTIAL, 0.0) for i in range(free)]
    waiting += [Waiting(f"b{i}", WorkClass.BACKGROUND, 2 * STARVATION_MS) for i in range(bulk)]
    plan = choose(waiting, free, STARVATION_MS, aged_turn)
    taken = [work_id for work_id in plan.work_ids if work_id.startswith("b")]
    assert taken == (["b0"] if aged_turn or free > 1 else [])


# --- turns of models on one lane ---


def test_urgency_is_that_of_the_class_and_of_what_a_listener_has_left() -> None:
    heard = make_work("w", WorkClass.STREAM_FINAL)
    said = SynthesizeWork(
        work_id="s",
        stream_id="s",
        work_class=WorkClass.STREAM_FINAL,
        model="m",
        text="a",
        voice="v",
    )
    order = [
        urgency_of(heard, None),
        urgency_of(said, None),
        urgency_of(make_work("w", WorkClass.STREAM_PARTIAL), None),
        urgency_of(said, LOW_AUDIO_S / 2),
        urgency_of(replace(said, work_class=WorkClass.UNARY), None),
        urgency_of(said, LOW_AUDIO_S * 2),
        urgency_of(replace(said, work_class=WorkClass.BACKGROUND), -1.0),
    ]
    assert order == list(Urgency)


def test_the_urgency_of_speech_grows_as_its_listener_has_less_left() -> None:
    said = SynthesizeWork(
        work_id="s",
        stream_id="s",
        work_class=WorkClass.STREAM_FINAL,
        model="m",
        text="a",
        voice="v",
    )
    takes_s = 0.1  # until its next audio is made
    left = [2 * LOW_AUDIO_S, 2.5 * takes_s, 1.5 * takes_s, 0.5 * takes_s, -1.0]
    urgencies = [urgency_of(said, ahead_s, takes_s) for ahead_s in left]
    assert urgencies == [
        Urgency.AMPLE_AUDIO,
        Urgency.LOW_AUDIO,
        Urgency.PARTIAL,
        Urgency.FINAL,
        Urgency.FINAL,
    ]
    asleep = replace(said, work_class=WorkClass.BACKGROUND)
    assert urgency_of(asleep, -1.0, takes_s) is Urgency.BACKGROUND


@given(
    st.lists(st.builds(Turn, st.sampled_from(Urgency), st.floats(0, 5_000)), min_size=1, max_size=6)
)
def test_the_most_urgent_has_the_turn_and_every_second_one_is_for_who_starves(
    turns: list[Turn],
) -> None:
    at, aged_turn = next_turn(turns, 2_000, aged_turn=False)
    assert turns[at].urgency == min(turn.urgency for turn in turns)
    assert aged_turn
    at, aged_turn = next_turn(turns, 2_000, aged_turn=True)
    longest_ms = max(turn.waited_ms for turn in turns)
    if longest_ms >= 2_000:
        assert turns[at].waited_ms == longest_ms
        assert not aged_turn
    else:
        assert turns[at].urgency == min(turn.urgency for turn in turns)


def test_equals_take_turns() -> None:
    waited = [0.0, 0.0, 0.0]
    order: list[int] = []
    for _ in range(6):
        at, _ = next_turn([Turn(Urgency.PARTIAL, ms) for ms in waited], 10_000, aged_turn=False)
        order.append(at)
        waited = [0.0 if other == at else ms + 1 for other, ms in enumerate(waited)]
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]
