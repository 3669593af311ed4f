"""The outbox: windows, what happens after a crash, and who gets the blame."""

import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.workers.lifecycle import MAX_BACKOFF_S, Lifecycle
from speech_service.dispatch.workers.outbox import MAX_IN_FLIGHT, MAX_KILLS, OutboxItem, WorkOutbox
from speech_service.domain.errors import DeadlineError, InternalError, OverloadedError
from speech_service.domain.models import WorkerState
from speech_service.domain.work import (
    DropReason,
    Work,
    WorkClass,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from tests.unit.dispatch.builders import make_work

FINAL, PARTIAL, UNARY, BACKGROUND = WorkClass
MIB = 1024 * 1024


def make_outbox(
    *works: Work, config: SchedulerConfig | None = None, size: int = 100 * MIB
) -> WorkOutbox:
    """An outbox that holds the works."""
    outbox = WorkOutbox(config or SchedulerConfig(), size)
    for work in works:
        outbox.add(work, lambda event: None, 0.0)
    return outbox


def send_all(outbox: WorkOutbox, now_s: float = 1.0) -> list[OutboxItem]:
    """Everything that the window lets out."""
    items: list[OutboxItem] = []
    while (item := outbox.next(now_s)) is not None:
        items.append(item)
    return items


def names(items: list[OutboxItem]) -> list[str]:
    """Work ids."""
    return [item.work.work_id for item in items]


def end_all(outbox: WorkOutbox, events: list[WorkEvent]) -> None:
    """What a submitter does with events."""
    for event in events:
        assert outbox.end(event.work_id) is not None


def test_most_urgent_first_over_all_models() -> None:
    outbox = make_outbox(
        make_work("b", BACKGROUND, model="m1"),
        make_work("u", UNARY, model="m2"),
        make_work("p", PARTIAL, model="m1"),
        make_work("f", FINAL, model="m2"),
    )
    assert names(send_all(outbox, now_s=0.1)) == ["f", "p", "u", "b"]


@pytest.mark.parametrize("size", [100 * MIB, 40_000])
def test_background_work_never_fills_the_way_of_others(size: int) -> None:
    works = [make_work(f"b{i}", BACKGROUND) for i in range(MAX_IN_FLIGHT + 2)]
    outbox = make_outbox(*works, size=size)
    sent = names(send_all(outbox, now_s=100.0))
    assert 0 < len(sent) <= MAX_IN_FLIGHT // 2
    outbox.add(make_work("p", PARTIAL), lambda event: None, 100.0)
    outbox.add(make_work("u", UNARY), lambda event: None, 100.0)
    assert names(send_all(outbox, now_s=300.0)) == ["p", "u"], "however old the rest is"
    outbox.end(sent[0])
    assert len(send_all(outbox, now_s=300.0)) == 1
    assert outbox.lost([], 300.0) == []
    assert len(names(send_all(outbox, now_s=300.0))) == len(sent) + 2


def test_releasing_a_stream_concerns_its_work_alone() -> None:
    outbox = make_outbox(*(make_work(f"{s}{n}", stream=s) for s in "ab" for n in range(3)))
    outbox.cancel("a0")
    outbox.end("a0")
    outbox.release("a")
    outbox.release("unknown")
    released = {i.work.work_id for i in send_all(outbox) if i.released}
    assert released == {"a1", "a2"}
    for work_id in outbox.work_ids():
        outbox.end(work_id)
    outbox.release("a")
    assert len(outbox) == 0


def test_window_bounds_items_and_bytes_but_not_finals() -> None:
    config = SchedulerConfig(max_queued=2 * MAX_IN_FLIGHT)
    outbox = make_outbox(*(make_work(f"u{i}") for i in range(MAX_IN_FLIGHT + 2)), config=config)
    assert len(send_all(outbox)) == MAX_IN_FLIGHT
    outbox.add(make_work("f", FINAL), lambda event: None, 0.0)
    assert names(send_all(outbox)) == ["f"]
    outbox.end("u0")
    assert outbox.next(1.0) is None, "the final still takes the place"
    outbox.end("f")
    assert outbox.next(1.0) is not None

    big = [make_work(f"big{i}", ms=1000) for i in range(3)]
    outbox = make_outbox(*big, size=100_000)
    assert names(send_all(outbox)) == ["big0"], "one item always fits, a second would be too much"


def test_a_crash_puts_work_back_in_order_and_supersedes() -> None:
    outbox = make_outbox(
        make_work("p1", PARTIAL, stream="a"),
        make_work("u1"),
        make_work("gone"),
        make_work("late", deadline_s=2.0),
    )
    assert len(send_all(outbox)) == 4
    outbox.add(make_work("p2", PARTIAL, stream="a"), lambda event: None, 1.5)
    assert outbox.cancel("gone") is not None
    events = outbox.lost([], 3.0)
    assert WorkDropped("gone", DropReason.CANCELLED) in events
    assert WorkDropped("p1", DropReason.SUPERSEDED) in events
    (late,) = [e for e in events if isinstance(e, WorkFailed)]
    assert isinstance(late.error, DeadlineError)
    end_all(outbox, events)
    assert names(send_all(outbox)) == ["p2", "u1"]


def test_coming_back_is_never_refused() -> None:
    outbox = make_outbox(make_work("u1"), config=SchedulerConfig(max_queued=1))
    send_all(outbox)
    outbox.add(make_work("u2"), lambda event: None, 0.0)
    with pytest.raises(OverloadedError):
        outbox.add(make_work("u3"), lambda event: None, 0.0)
    assert outbox.lost([], 1.0) == []
    assert names(send_all(outbox)) == ["u1", "u2"]


def test_the_poison_is_found_and_nobody_else_is_blamed() -> None:
    outbox = make_outbox(*(make_work(f"w{i}") for i in range(5)))
    sent = {item.work.work_id: item for item in send_all(outbox)}
    ran = [sent["w1"].wire_id, sent["w2"].wire_id]  # two lanes; w2 is the poison
    assert outbox.lost(ran, 1.0) == []

    blamed: list[str] = []
    for _ in range(10):
        flight = names(send_all(outbox))
        if not flight:
            break
        if "w2" in flight:
            assert flight == ["w2"], "a suspect runs alone"
            events = outbox.lost([sent["w2"].wire_id], 2.0)
            (event,) = events
            assert isinstance(event, WorkFailed)
            assert isinstance(event.error, InternalError)
            blamed.append(event.work_id)
            end_all(outbox, events)
            continue
        assert len(flight) == 1 or not {"w1", "w2"} & set(flight)
        for work_id in flight:
            outbox.end(work_id)
    assert blamed == ["w2"]
    assert len(outbox) == outbox.in_flight == outbox.waiting == 0


def test_what_others_kill_blames_no_work_until_it_happens_too_often() -> None:
    outbox = make_outbox(make_work("w0"), make_work("w1"))
    for kill in range(1, MAX_KILLS):
        flight = {item.work.work_id: item for item in send_all(outbox)}
        assert sorted(flight) == (["w0", "w1"] if kill <= 2 else ["w0"]), "a suspect runs alone"
        assert outbox.lost([flight["w0"].wire_id], 1.0, killed=True) == []
    (item,) = send_all(outbox)
    (event,) = outbox.lost([item.wire_id], 1.0, killed=True)
    assert isinstance(event, WorkFailed)
    assert event.work_id == "w0"
    end_all(outbox, [event])
    assert names(send_all(outbox)) == ["w1"]


def test_lifecycle_counts_crashes_in_a_row() -> None:
    lifecycle = Lifecycle(max_restarts=3)
    states: list[WorkerState] = []
    health: list[bool] = []
    unsubscribe = lifecycle.subscribe(states.append)
    lifecycle.subscribe_health(health.append)
    lifecycle.enter(WorkerState.STARTING)
    lifecycle.enter(WorkerState.READY)
    assert lifecycle.crashed() == 0.0
    lifecycle.succeeded()
    delays_s = [lifecycle.crashed() for _ in range(4)]
    assert delays_s == [0.0, 0.2, 0.4, 0.8], "also the first wait of one that FAILED is short"
    assert health == [False]
    assert [lifecycle.crashed() for _ in range(6)] == [1.6, 3.2, 6.4, 12.8, 25.6, MAX_BACKOFF_S]
    assert lifecycle.backoff_s == MAX_BACKOFF_S
    unsubscribe()
    lifecycle.enter(WorkerState.READY)
    lifecycle.set_health(True)
    assert [state.value for state in states] == ["starting", "ready", "restarting", "failed"]
    assert health == [False, True]


def moved(source: WorkOutbox, target: WorkOutbox, *work_ids: str) -> list[WorkEvent]:
    """Move what waits; returns the events of what gave way."""
    events: list[WorkEvent] = []
    for work_id in work_ids:
        item = source.give_back(work_id)
        if item is not None and (dropped := target.adopt(item)) is not None:
            events.append(dropped)
    end_all(target, events)
    return events


def test_another_outbox_takes_over_what_waits_and_the_blame() -> None:
    waiting: list[int] = []
    source = WorkOutbox(SchedulerConfig(), 100 * MIB, waiting.append)
    for work_id in ("1", "2", "3"):
        source.add(make_work(work_id), lambda event: None, 0.0)
    first = source.next(1.0)
    assert first is not None
    assert source.give_back(first.work.work_id) is None, "its process has it"
    assert source.lost([first.wire_id], 2.0) == []
    target = make_outbox(make_work("0"))
    assert moved(source, target, "1", "2", "3", "unknown") == []
    assert (len(source), source.waiting, waiting[-1]) == (0, 0, 0)
    assert len(target) == 4
    assert names(send_all(target)) == ["0"]
    target.end("0")
    (suspect,) = send_all(target)
    assert (suspect.work.work_id, suspect.crashes) == ("1", 1), "it runs alone here too"
    (failed,) = target.lost([suspect.wire_id], 4.0)
    assert isinstance(failed, WorkFailed), "it killed two workers"
    end_all(target, [failed])
    assert names(send_all(target)) == ["2", "3"]


def test_taken_over_work_is_refused_by_no_limit() -> None:
    config = SchedulerConfig(max_queued=1)
    source, target = make_outbox(make_work("1")), make_outbox(make_work("2"), config=config)
    with pytest.raises(OverloadedError):
        target.add(make_work("3"), lambda event: None, 0.0)
    assert moved(source, target, "1") == []
    assert target.waiting == 2


@pytest.mark.parametrize("newer", [PARTIAL, FINAL])
def test_an_old_partial_gives_way_to_newer_work_of_its_segment(newer: WorkClass) -> None:
    source = make_outbox(make_work("old", PARTIAL, stream="s"))
    target = WorkOutbox(SchedulerConfig(), 100 * MIB)
    target.add(make_work("new", newer, stream="s"), lambda event: None, 1.0)
    assert moved(source, target, "old") == [WorkDropped("old", DropReason.SUPERSEDED)]
    assert names(send_all(target)) == ["new"]


def test_partials_that_move_in_order_give_way_in_order() -> None:
    source = WorkOutbox(SchedulerConfig(), 100 * MIB)
    source.add(make_work("p1", PARTIAL, stream="s"), lambda event: None, 0.0)
    assert send_all(source, 0.5)
    source.add(make_work("p2", PARTIAL, stream="s"), lambda event: None, 1.0)
    end_all(source, source.lost([], 2.0))
    target = WorkOutbox(SchedulerConfig(), 100 * MIB)
    assert moved(source, target, "p1", "p2") == []
    assert names(send_all(target, 3.0)) == ["p2"]
