"""The worker's keeper: it finds who is stuck, kills nobody who works, and cannot be ended by an exception."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speech_service.dispatch.workers import WorkerState
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.dispatch.workers.lifecycle import Lifecycle
from speech_service.dispatch.workers.link import WorkerLink
from speech_service.dispatch.workers.outbox import WorkOutbox
from speech_service.dispatch.workers.process import WorkerProcess
from speech_service.domain.errors import InternalError
from tests.integration.starving import busy_machine, slowed
from tests.integration.workers import (
    HOSTILE_COMMAND,
    PARTIAL,
    UNARY,
    Metrics,
    config,
    failure,
    remote,
    texts,
    word_count,
    work,
)
from tests.unit.dispatch.builders import until

PATIENT_S = 100.0
"""What a starved machine may take; a kill shows long before."""


# --- who works is not killed ---


@pytest.mark.parametrize("starved", ["a quarter of the time", "four busy loops"])
async def test_a_starved_worker_is_slow_and_nothing_else(starved: str) -> None:
    """Also with a step that takes longer than the wall clock's patience."""
    settings = config(heartbeat_interval_s=0.2, heartbeat_timeout_s=0.4)
    async with remote(settings, HOSTILE_COMMAND) as (submitter, outcomes):
        if starved == "four busy loops":  # a start between them proves no more, and takes long
            outcomes.submit(work("first"))
            await outcomes.wait("first", timeout_s=PATIENT_S)
        machine = (
            busy_machine()
            if starved == "four busy loops"
            else slowed(lambda: submitter.stats().pid, 0.25)
        )
        async with machine:
            outcomes.submit(work("long", context="burn=0.6"))
            for number in range(4):
                outcomes.submit(work(f"p{number}", PARTIAL), work(f"u{number}", UNARY, ms=2000))
            ids = ["long", *(f"{kind}{number}" for kind in "pu" for number in range(4))]
            events = await outcomes.wait(*ids, timeout_s=PATIENT_S)
        assert texts(events) == [2] * 5 + [word_count(2000)] * 4
        assert submitter.stats().restarts == 0
        await until(lambda: submitter.healthy)


async def test_a_short_stop_loses_nothing() -> None:
    settings = config(heartbeat_interval_s=0.1, heartbeat_timeout_s=5.0)
    async with remote(settings) as (submitter, outcomes):
        outcomes.submit(work("a"))
        await outcomes.wait("a")
        pid = submitter.stats().pid
        os.kill(pid, signal.SIGSTOP)
        outcomes.submit(work("b"))
        await asyncio.sleep(1)
        os.kill(pid, signal.SIGCONT)
        assert texts(await outcomes.wait("b", timeout_s=PATIENT_S)) == [2]
        assert submitter.stats().pid == pid


async def test_computing_gives_way_and_loading_does_not() -> None:
    async with remote(config({"step_ms": 1.0}, nice=7)) as (submitter, outcomes):
        outcomes.submit(work("a"))
        await outcomes.wait("a")
        pid, ours = submitter.stats().pid, os.getpriority(os.PRIO_PROCESS, 0)

        def niceness() -> dict[int, int]:
            threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
            return {thread: os.getpriority(os.PRIO_PROCESS, thread) - ours for thread in threads}

        await until(lambda: 7 in niceness().values())
        assert niceness()[pid] == 0, "the loop, which starts loads and answers, waits behind nobody"


# --- who is stuck is found ---


@pytest.mark.parametrize("order", ["hang", "spin", "regex"])
async def test_a_step_that_never_ends_is_found_however_it_spends_its_time(order: str) -> None:
    settings = config(heartbeat_interval_s=0.05, heartbeat_timeout_s=0.2)
    async with remote(settings, HOSTILE_COMMAND) as (submitter, outcomes):
        health: list[bool] = []
        submitter.subscribe_health(health.append)
        outcomes.submit(work("bad", context=order), work("good"))
        event = (await outcomes.wait("bad", timeout_s=PATIENT_S))[0]
        assert isinstance(await failure(outcomes, "bad"), InternalError), event
        assert texts(await outcomes.wait("good", timeout_s=PATIENT_S)) == [2]
        assert health[:2] == [False, True]
        assert submitter.stats().restarts == 2


# --- the keeper goes on ---

SHORTAGE = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Callable[[], bool]:
    """Make the next call of a method fail; returns whether it did."""
    plain: Any = getattr(owner, name)
    failed: list[bool] = []

    def failing(*args: Any, **kwargs: Any) -> Any:
        if not failed:
            failed.append(True)
            raise SHORTAGE
        return plain(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
    return lambda: bool(failed)


PLACES = [
    (WorkerProcess, "spawn"),
    (WorkerProcess, "meet"),
    (WorkerProcess, "stop"),
    (FrameSocket, "over"),
    (FrameSocket, "close"),
    (WorkOutbox, "lost"),
    (Lifecycle, "crashed"),
    (Lifecycle, "enter"),
]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[f"{o.__name__}.{n}" for o, n in PLACES])
async def test_an_exception_anywhere_in_the_keeper_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    async with remote(config(max_restarts=3)) as (submitter, outcomes):
        outcomes.submit(work("a"))
        await outcomes.wait("a")
        has_failed = fail_once(monkeypatch, owner, name)
        os.kill(submitter.stats().pid, signal.SIGKILL)
        outcomes.submit(work("b"))
        assert texts(await outcomes.wait("b", timeout_s=PATIENT_S)) == [2]
        assert has_failed()
        await until(lambda: submitter.healthy)


async def test_a_broken_heartbeat_ends_no_worker_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_failed = fail_once(monkeypatch, WorkerLink, "heartbeat")
    async with remote(config(heartbeat_interval_s=0.05)) as (submitter, outcomes):
        outcomes.submit(work("a"))
        await outcomes.wait("a")
        pid = submitter.stats().pid
        await until(has_failed)
        outcomes.submit(work("b"))
        await outcomes.wait("b")
        assert submitter.stats().pid == pid


LATER_WORKER = """
import os, runpy, sys
os.path.exists(sys.argv.pop(1)) or sys.exit(3)
runpy.run_module("speech_service.worker", run_name="__main__", alter_sys=True)
"""


async def test_it_comes_back_by_itself_and_says_so(tmp_path: Path) -> None:
    """It gives up after a few starts that fail, tries again soon, and needs nobody to ask for it."""
    dead, ready = asyncio.Event(), asyncio.Event()
    command = [sys.executable, "-c", LATER_WORKER, str(tmp_path / "may start")]
    async with remote(config(max_restarts=1), command) as (submitter, outcomes):
        submitter.subscribe(lambda state: dead.set() if state is WorkerState.FAILED else None)
        submitter.subscribe(lambda state: ready.set() if state is WorkerState.READY else None)
        outcomes.submit(work("a"))
        await failure(outcomes, "a")
        await dead.wait()
        assert not submitter.healthy
        (tmp_path / "may start").touch()
        async with asyncio.timeout(PATIENT_S):
            await ready.wait()
        assert submitter.healthy
        outcomes.submit(work("b"))
        assert texts(await outcomes.wait("b")) == [2]


class Gauges(Metrics):
    """Keeps the gauges as they are now, and whether one ever was above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.now: dict[str, float] = {}
        self.highest: dict[str, float] = {}

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Keep it."""
        key = ",".join([name, *labels.values()])
        self.now[key] = value
        self.highest[key] = max(value, self.highest.get(key, 0.0))

    def state(self) -> str:
        """The one state that is shown."""
        prefix = "speech_worker_state,"
        (shown,) = (k for k, v in self.now.items() if k.startswith(prefix) and v)
        return shown.removeprefix(prefix)


async def test_what_operators_see_of_a_worker_is_true_over_its_life() -> None:
    gauges = Gauges()
    settings = config(idle_timeout_s=0.3, heartbeat_interval_s=0.1)
    async with remote(settings, metrics=gauges) as (submitter, outcomes):
        seen: list[tuple[str, float]] = []

        def look(_: object) -> None:
            seen.append((gauges.state(), gauges.now["speech_worker_up"]))

        assert (gauges.state(), gauges.now["speech_worker_up"]) == ("stopped", 0.0)
        submitter.subscribe(look)
        outcomes.submit(*(work(f"w{number}") for number in range(5)))
        assert gauges.now["speech_outbox_depth"] == 5
        await outcomes.wait(*(f"w{number}" for number in range(5)))
        assert gauges.now["speech_outbox_depth"] == 0
        await until(lambda: submitter.state is WorkerState.STOPPED)
        outcomes.submit(work("x", ms=30_000))
        await until(lambda: submitter.state is WorkerState.READY)
        os.kill(submitter.stats().pid, signal.SIGKILL)
        outcomes.submit(work("y"))
        await outcomes.wait("x", "y", timeout_s=PATIENT_S)
        submitter.cancel("never was")
        assert gauges.now["speech_outbox_depth"] == 0
        await until(lambda: submitter.state is WorkerState.STOPPED)
    life = [("starting", 0.0), ("ready", 1.0), ("stopped", 0.0)]
    again = [
        ("starting", 0.0),
        ("ready", 1.0),
        ("restarting", 0.0),
        ("ready", 1.0),
        ("stopped", 0.0),
    ]
    assert seen == life + again
    assert gauges.highest["speech_outbox_depth"] == 5


async def test_work_that_leaves_the_line_unsent_leaves_the_gauge() -> None:
    gauges = Gauges()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    async with remote(config(), command, metrics=gauges) as (submitter, outcomes):
        outcomes.submit(work("a"), work("b"))
        assert gauges.now["speech_outbox_depth"] == 2
        submitter.cancel("a")
        await outcomes.wait("a")
        assert gauges.now["speech_outbox_depth"] == 1
    assert gauges.now["speech_outbox_depth"] == 0
