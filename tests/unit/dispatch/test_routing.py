"""Who gets work, who keeps it, who inherits it: the router's decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.dispatch.router import CROWDED_MS, Choice, ranked, successor, wanted_beside
from speech_service.domain.models import WorkerState

pytestmark = pytest.mark.unit

STOPPED, STARTING, READY, RESTARTING, FAILED = WorkerState


def choice(
    name: str,
    state: WorkerState = READY,
    outstanding_ms: int = 0,
    streams: int = 0,
    *,
    healthy: bool = True,
) -> Choice:
    return Choice(name, ("m",), state, healthy, outstanding_ms, streams=streams)


@pytest.mark.parametrize(
    ("workers", "homes", "best"),
    [
        ([choice("a"), choice("b")], [], "a"),
        ([choice("a", READY, 5), choice("b", READY, 4)], [], "b"),
        ([choice("a", READY, 0, 2), choice("b", READY, 0, 1)], [], "b"),
        ([choice("a", READY, 5, 1), choice("b", READY, 4, 9)], [], "b"),
        ([choice("a", READY, 5), choice("b", STOPPED)], [], "a"),
        ([choice("a", STARTING, 5), choice("b", STOPPED)], [], "b"),
        ([choice("a", READY, 900), choice("b")], ["a"], "a"),
        ([choice("a", READY, 900), choice("b", READY, 5), choice("c")], ["b", "a"], "b"),
        ([choice("a"), choice("b", STARTING, 9)], ["b"], "b"),
        ([choice("a"), choice("b", STOPPED)], ["b"], "a"),
        ([choice("a", RESTARTING), choice("b", READY, 9)], ["a"], "b"),
        ([choice("a", READY, healthy=False), choice("b", STOPPED)], ["a"], "b"),
        ([choice("a", FAILED), choice("b", RESTARTING, 9)], ["a"], "b"),
        ([choice("a", RESTARTING), choice("b", RESTARTING, 9)], ["b"], "b"),
        ([choice("a", FAILED, 9), choice("b", FAILED)], [], "b"),
    ],
)
def test_who_is_best(workers: list[Choice], homes: list[str], best: str) -> None:
    assert ranked(workers, "m", homes)[0].name == best


@given(
    st.lists(
        st.builds(
            Choice,
            st.sampled_from("abcdef"),
            st.frozensets(st.sampled_from(["m", "n"])),
            st.sampled_from(WorkerState),
            st.booleans(),
            st.integers(0, 5),
        ),
        max_size=6,
        unique_by=lambda worker: worker.name,
    ),
    st.lists(st.sampled_from("abcdef"), max_size=3),
)
def test_whoever_serves_the_model_is_ranked_once_and_nobody_else(
    workers: list[Choice], homes: list[str]
) -> None:
    order = ranked(workers, "m", homes)
    assert sorted(w.name for w in order) == sorted(w.name for w in workers if "m" in w.models)
    if any(worker.can_work for worker in order):
        assert order[0].can_work, "who cannot work is asked last, whose home it may be"


@pytest.mark.parametrize(
    ("home_ms", "other", "best"),
    [
        (CROWDED_MS + 1, choice("b"), "b"),
        (CROWDED_MS, choice("b"), "a"),
        (CROWDED_MS + 20, choice("b", READY, 10), "a"),
        (CROWDED_MS + 21, choice("b", READY, 10), "b"),
        (CROWDED_MS * 9, choice("b", STOPPED), "a"),
        (CROWDED_MS * 9, choice("b", RESTARTING), "a"),
    ],
)
def test_a_stream_leaves_a_crowded_home_between_segments_alone(
    home_ms: int, other: Choice, best: str
) -> None:
    workers = [choice("a", READY, home_ms), other]
    assert ranked(workers, "m", ["a"], may_move=True)[0].name == best
    assert ranked(workers, "m", ["a"])[0].name == "a"


def test_a_stopped_worker_is_started_beside_a_busy_one() -> None:
    stopped, lost = choice("b", STOPPED), choice("c", RESTARTING)
    assert wanted_beside([choice("a", READY, 1), lost, stopped]) == "b"
    assert wanted_beside([choice("a", READY, 0), stopped]) == "", "the best is idle"
    assert wanted_beside([choice("a", STARTING, 1), stopped]) == "", "it is no better"
    assert wanted_beside([choice("a", READY, 1), choice("b"), lost]) == ""
    assert wanted_beside([]) == ""


@pytest.mark.parametrize(
    ("lost", "others", "name"),
    [
        (RESTARTING, [choice("b")], "b"),
        (RESTARTING, [choice("b", STARTING)], ""),
        (RESTARTING, [choice("b", STOPPED)], ""),
        (RESTARTING, [choice("b", RESTARTING)], ""),
        (RESTARTING, [choice("b", READY, healthy=False)], ""),
        (RESTARTING, [], ""),
        (FAILED, [choice("b")], "b"),
        (FAILED, [choice("b", STOPPED)], "b"),
        (FAILED, [choice("b", RESTARTING)], "b"),
        (FAILED, [choice("b", FAILED)], ""),
    ],
)
def test_who_inherits(lost: WorkerState, others: list[Choice], name: str) -> None:
    dead = choice("a", lost)
    assert successor(ranked([dead, *others], "m", ["a"]), dead) == name


def test_who_runs_inherits_before_another_home_that_only_starts() -> None:
    dead, starting, running = choice("a", RESTARTING), choice("c", STARTING), choice("b")
    order = ranked([dead, running, starting], "m", ["a", "c"])
    assert (order[0].name, successor(order, dead)) == ("c", "b")
