"""The queue against a model of it, and its rules one by one."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.queue import WorkQueue
from speech_service.domain.errors import DeadlineError, OverloadedError
from speech_service.domain.work import DropReason, WorkClass, WorkDropped
from tests.unit.dispatch.builders import MODEL, make_speech, make_work

FINAL, PARTIAL, UNARY, BACKGROUND = WorkClass
ROOMY = SchedulerConfig()


def test_newer_partial_keeps_the_place_in_line() -> None:
    queue = WorkQueue(ROOMY)
    queue.put(make_work("a1", PARTIAL, stream="a"), 0.0)
    queue.put(make_work("b1", PARTIAL, stream="b"), 1.0)
    assert queue.put(make_work("a2", PARTIAL, stream="a"), 2.0) == WorkDropped(
        "a1", DropReason.SUPERSEDED
    )
    heads = queue.heads(MODEL, 2, 3.0)
    assert [(item.work_id, item.age_ms) for item in heads] == [("a2", 3000), ("b1", 2000)]
    assert queue.take("a2", 3.0).enqueued_s == 2.0


def test_final_removes_the_partial_of_its_segment_only() -> None:
    queue = WorkQueue(ROOMY)
    queue.put(make_work("p1", PARTIAL, stream="a", segment_id=1), 0.0)
    queue.put(make_work("p2", PARTIAL, stream="a", segment_id=2), 0.0)
    dropped = queue.put(make_work("f1", FINAL, stream="a", segment_id=1), 0.0)
    assert dropped == WorkDropped("p1", DropReason.SUPERSEDED)
    assert queue.work_ids() == ["f1", "p2"]


def test_expired_work_fails_and_is_gone() -> None:
    queue = WorkQueue(ROOMY)
    queue.put(make_work("late", deadline_s=5.0), 0.0)
    queue.put(make_work("later", deadline_s=9.0), 0.0)
    assert queue.expire(4.9) == []
    (event,) = queue.expire(5.0)
    assert event.work_id == "late"
    assert isinstance(event.error, DeadlineError)
    assert queue.next_deadline_s() == 9.0
    assert queue.work_ids() == ["later"]


def test_limits_refuse_with_the_time_to_come_back_but_never_a_streaming_final() -> None:
    queue = WorkQueue(SchedulerConfig(max_queued=2, max_queued_ms=1000))
    queue.put(make_work("u1"), 0.0)
    queue.put(make_work("p1", PARTIAL, stream="a"), 0.0)
    with pytest.raises(OverloadedError) as caught:
        queue.put(make_work("u2"), 0.0)
    assert caught.value.retry_after_ms == 1000
    assert caught.value.metadata == {"max_queued": "2"}
    queue.put(make_work("p2", PARTIAL, stream="a"), 0.0)  # takes a place, needs none
    queue.put(make_work("f1", FINAL, ms=5000), 0.0)
    assert queue.work_ids() == ["f1", "p2", "u1"]
    queue.take("f1", 0.0)
    with pytest.raises(OverloadedError) as caught:
        queue.put(make_work("p3", PARTIAL, stream="a", ms=950), 0.0)
    assert caught.value.metadata == {"max_queued_ms": "1000"}
    assert "p2" in queue, "a refused partial does not take the old one with it"


def test_of_speech_the_heads_are_what_is_needed_first_wherever_it_is_in_line() -> None:
    queue = WorkQueue(ROOMY)
    queue.put(make_speech("much left", 5000), 0.0)
    queue.put(make_speech("little left", 1000), 0.0)
    queue.put(make_speech("nothing yet"), 2.0)
    queue.put(make_speech("nothing yet either"), 2.0)
    heads = queue.heads(MODEL, 3, 3.0)
    assert [(item.work_id, item.age_ms, item.left_ms) for item in heads] == [
        ("little left", 3000, -2000),
        ("nothing yet", 1000, -1000),
        ("nothing yet either", 1000, -1000),
    ]
    for number, work_class in enumerate((UNARY, BACKGROUND)):
        queue.put(make_speech(f"{number}: much left", 5000, work_class), 0.0)
        queue.put(make_speech(f"{number}: none", 0, work_class), 1.0)
    first = [item.work_id for item in queue.heads(MODEL, 1, 3.0)]
    assert first == ["little left", "0: much left", "1: much left"], "there the oldest goes first"


def test_background_work_is_as_old_as_its_last_turn() -> None:
    queue = WorkQueue(ROOMY)
    for number in range(3):
        queue.put(make_work(f"b{number}", BACKGROUND), 0.0)
    queue.put(make_work("u", UNARY), 0.0)
    queue.put(make_work("other", BACKGROUND, model="other"), 0.0)
    queue.take("b0", 5.0)
    ages = {item.work_id: item.age_ms for item in queue.heads(MODEL, 9, 6.0)}
    assert ages == {"u": 6000, "b1": 1000, "b2": 1000}
    assert [item.age_ms for item in queue.heads("other", 9, 6.0)] == [6000]
    queue.put(make_work("b3", BACKGROUND), 5.5)
    assert [item.age_ms for item in queue.heads(MODEL, 9, 6.0)] == [6000, 1000, 1000, 500]


def test_background_work_is_never_refused_and_takes_no_room() -> None:
    queue = WorkQueue(SchedulerConfig(max_queued=2, max_queued_ms=1000))
    for number in range(50):
        queue.put(make_work(f"b{number}", BACKGROUND, ms=900), 0.0)
    queue.put(make_work("u1"), 0.0)
    queue.put(make_work("p1", PARTIAL, stream="a"), 0.0)
    with pytest.raises(OverloadedError):
        queue.put(make_work("u2"), 0.0)
    queue.put(make_work("b", BACKGROUND, ms=900), 0.0)
    queue.take("u1", 0.0)
    queue.put(make_work("u2"), 0.0)


def test_retry_after_follows_the_drain_rate() -> None:
    queue = WorkQueue(ROOMY)
    for number in range(40):
        queue.put(make_work(str(number)), 0.0)
    for number in range(20):
        queue.take(str(number), 1.0 + number / 10)  # ten a second
    assert queue.retry_after_ms(3.0) == pytest.approx(1000, rel=0.01)


class QueueMachine(RuleBasedStateMachine):
    """Random traffic; ``lines`` is the naive model: per class a list of (id, stream, ms)."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue(SchedulerConfig(max_queued=8, max_queued_ms=2000))
        self.lines: dict[WorkClass, list[tuple[str, str, int]]] = {c: [] for c in WorkClass}
        self.deadlines: dict[str, float] = {}
        self.now_s = 0.0
        self.number = 0

    def everything(self) -> list[tuple[str, str, int]]:
        """All waiting entries."""
        return [entry for line in self.lines.values() for entry in line]

    def forget(self, work_id: str) -> None:
        """Take an entry out of the model."""
        for work_class, line in self.lines.items():
            self.lines[work_class] = [entry for entry in line if entry[0] != work_id]

    @rule(
        work_class=st.sampled_from(WorkClass),
        stream=st.sampled_from("abc"),
        ms=st.integers(1, 600),
        lifetime_s=st.none() | st.floats(0.1, 5),
    )
    def put(self, work_class: WorkClass, stream: str, ms: int, lifetime_s: float | None) -> None:
        """Put work; only streaming work shares segments."""
        self.number += 1
        work_id = f"w{self.number}"
        shares = work_class in (FINAL, PARTIAL)
        stream = stream if shares else work_id
        deadline_s = None if lifetime_s is None else self.now_s + lifetime_s
        work = make_work(work_id, work_class, stream=stream, ms=ms, deadline_s=deadline_s)
        old = next((e for e in self.lines[PARTIAL] if e[1] == stream), None) if shares else None
        counted = [e for c, line in self.lines.items() if c is not BACKGROUND for e in line]
        count = len(counted) + (old is None)
        total_ms = sum(e[2] for e in counted) + ms - (old[2] if old else 0)
        if work_class in (PARTIAL, UNARY) and (count > 8 or total_ms > 2000):
            with pytest.raises(OverloadedError):
                self.queue.put(work, self.now_s)
            return
        dropped = self.queue.put(work, self.now_s)
        assert (dropped.work_id if dropped else None) == (old[0] if old else None)
        entry = (work_id, stream, ms)
        if old is not None and work_class is PARTIAL:
            line = self.lines[PARTIAL]
            line[line.index(old)] = entry
        else:
            if old is not None:
                self.forget(old[0])
            self.lines[work_class].append(entry)
        if deadline_s is not None:
            self.deadlines[work_id] = deadline_s

    @rule(seconds=st.floats(0.01, 2))
    def expire(self, seconds: float) -> None:
        """Time passes."""
        self.now_s += seconds
        due = {e[0] for e in self.everything() if self.deadlines.get(e[0], 1e9) <= self.now_s}
        assert {event.work_id for event in self.queue.expire(self.now_s)} == due
        for work_id in due:
            self.forget(work_id)

    @rule(data=st.data(), taken=st.booleans())
    def leave(self, data: st.DataObject, taken: bool) -> None:
        """An item is taken or cancelled."""
        if self.everything():
            work_id = data.draw(st.sampled_from([e[0] for e in self.everything()]))
            if taken:
                assert self.queue.take(work_id, self.now_s).work.work_id == work_id
            else:
                assert self.queue.remove(work_id) is not None
            self.forget(work_id)

    @invariant()
    def same_as_model(self) -> None:
        """Order, counts and sums agree."""
        stats = self.queue.stats()
        assert self.queue.work_ids() == [e[0] for e in self.everything()]
        assert len(self.queue) == len(self.everything())
        for work_class, line in self.lines.items():
            assert stats[work_class].depth == self.queue.depth(work_class) == len(line)
            assert stats[work_class].audio_ms == sum(e[2] for e in line)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=30, stateful_step_count=40)
